internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftTransport

/// The methods of Protos/admin.proto.
struct AdminService: Sendable {
    let node: RaftNode<KeyValueMachine>
    let snapshots: SnapshotReads
    let tls: TLSContext
    let certificates: CertificateWatcher

    func offer(on server: RPCServer) {
        var table = ServiceTable()
        table.register(ClientMethods.status) { call in
            do throws(RPCStatus) {
                _ = try StatusRequest(decoding: call.request)
                var status = MemberStatus(node.status)
                status.certificates = MemberStatus.Certificates(tls.status)
                call.respond(status.encoded())
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.changeMembership) { call in
            do throws(RPCStatus) {
                let change = try ChangeMembershipRequest(decoding: call.request)
                node.membership.perform(
                    change.request, blocking: change.waiting, ifUnchangedSince: change.seen, timeout: call.timeout
                ) { result in
                    switch result {
                    case .success: call.respond(ChangeMembershipResponse().encoded())
                    case .failure(let error): call.fail(RPCStatus(error))
                    }
                }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.triggerSnapshot) { call in
            do throws(RPCStatus) {
                _ = try TriggerSnapshotRequest(decoding: call.request)
                node.triggerSnapshot { Self.answer(call, $0) }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.pushSnapshot) { call in
            do throws(RPCStatus) {
                let request = try PushSnapshotRequest(decoding: call.request)
                node.pushSnapshot(to: request.peer) { Self.answer(call, $0) }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.readSnapshot) { call in
            do throws(RPCStatus) {
                let request = try ReadSnapshotRequest(decoding: call.request)
                snapshots.read(request.id, at: request.offset) { result in
                    switch result {
                    case .success(let piece): call.respond(piece.encoded())
                    case .failure(let error): call.fail(RPCStatus(error))
                    case nil:
                        call.fail(
                            RPCStatus(
                                .notFound, "node \(node.status.id) has no snapshot \(request.id); save a newer one"))
                    }
                }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.reloadCertificates) { call in
            do throws(RPCStatus) {
                _ = try ReloadCertificatesRequest(decoding: call.request)
                certificates.reload("\(call.principal) asked") { [tls] result in
                    switch result {
                    case .success(let dropped):
                        let response = ReloadCertificatesResponse(
                            certificates: .init(tls.status), droppedCount: UInt64(dropped.count))
                        call.respond(response.encoded())
                    case .failure(let error):
                        call.fail(RPCStatus(refusing: "kept the certificates in use: \(error.message)"))
                    }
                }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.listSessions) { call in
            do throws(RPCStatus) {
                _ = try ListSessionsRequest(decoding: call.request)
                let status = node.status
                node.sessions.list { sessions in
                    let list = SessionList(
                        sessions: sessions, applied: status.lastApplied, repeatedCount: status.sessions.repeated,
                        refusedCount: status.sessions.refused, expiredCount: status.sessions.expired)
                    call.respond(list.encoded())
                }
            } catch {
                call.fail(error)
            }
        }
        table.register(ClientMethods.transferLeadership) { call in
            do throws(RPCStatus) {
                let request = try TransferLeadershipRequest(decoding: call.request)
                node.leadership.transfer(to: request.target) { result in
                    switch result {
                    case .success: call.respond(TransferLeadershipResponse().encoded())
                    case .failure(let error): call.fail(RPCStatus(error))
                    }
                }
            } catch {
                call.fail(error)
            }
        }
        server.serve(.admin, table)
    }
}

extension AdminService {
    private static func answer(_ call: ServerCall, _ result: Result<SnapshotManifest, RaftError>) {
        switch result {
        case .success(let manifest):
            call.respond(
                SnapshotSummary(id: manifest.id, last: manifest.last, byteCount: manifest.byteCount).encoded())
        case .failure(let error): call.fail(RPCStatus(error))
        }
    }
}

extension MemberStatus.Certificates {
    init(_ status: TLSStatus) {
        let now = TLSContext.now
        self.init(
            identity: status.principal.uri, notAfter: status.notAfter,
            daysLeft: TLSStatus.days(until: status.notAfter, from: now), authorityNotAfter: status.authorityNotAfter,
            listNextUpdate: status.listNextUpdate, revokedCount: UInt64(status.revokedCount),
            reloadCount: UInt64(status.reloadCount), failureCount: UInt64(status.failureCount),
            droppedCount: UInt64(status.droppedCount), problem: status.problem(now: now))
    }
}

extension MemberStatus {
    init(_ status: NodeStatus) {
        let configuration = status.configuration
        self.init(
            id: status.id, cluster: status.cluster, role: status.role.rawValue, term: status.currentTerm,
            leader: status.leader, last: status.last, commit: status.commitIndex, applied: status.lastApplied,
            snapshot: status.snapshot?.last.index ?? .zero,
            members: configuration?.members.map { member in
                Member(
                    id: member.id, address: member.address, isVoter: configuration?.isVoter(member.id) ?? false,
                    incarnation: member.incarnation, preference: member.preference,
                    isPromotedWhenReady: member.isPromotedWhenReady)
            } ?? [],
            configuration: status.configurationID, isJoint: configuration?.isJoint ?? false,
            isRemoved: status.isRemoved,
            peers: status.peers.map {
                Peer(
                    id: $0.id, matchIndex: $0.matchIndex, isReachable: $0.isReachable, heardBefore: $0.sinceHeard,
                    steadyFor: $0.steadyFor)
            },
            failureTolerance: status.failureTolerance,
            transfer: status.transfer.map { Transfer(target: $0.target, isTold: $0.isTold, lag: $0.lag) },
            logShortage: status.logShortage?.message, stopReason: status.stopReason?.message)
    }
}
