// Keys, values, ranges and transactions are the same to the machine and to its clients, who do not link the machine.
@_exported public import RaftKeyValueModel
