import Raft
import RaftSimulation
import RaftStorage
import Testing
