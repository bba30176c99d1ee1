internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftTransport

extension ClientService {
    func offerLeases(_ table: inout ServiceTable) {
        table.register(ClientMethods.grantLease) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try GrantLeaseRequest(decoding: call.request)
                if let reason = KeyValueLimits.refusal(leaseMilliseconds: request.milliseconds) {
                    throw RPCStatus(refusing: reason)
                }
                propose(.grant(milliseconds: request.milliseconds), Rim(call, request.session, request.forwards)) {
                    output in
                    guard case .granted(let lease) = output else { return nil }
                    return LeaseResponse(lease: lease, milliseconds: request.milliseconds).encoded()
                }
            }
        }
        table.register(ClientMethods.revokeLease) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try LeaseRequest(decoding: call.request)
                propose(.revoke(lease: request.lease), Rim(call, request.session, request.forwards)) { output in
                    guard case .revoked(let wasThere, let keyCount) = output else { return nil }
                    return LeaseResponse(lease: wasThere ? request.lease : nil, keyCount: keyCount).encoded()
                }
            }
        }
        table.register(ClientMethods.keepLease) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try LeaseRequest(decoding: call.request)
                leases.keepAlive(request.lease, within: call.timeout) { result in
                    switch result {
                    case .failure(let error): call.fail(RPCStatus(error))
                    case .success(let milliseconds):
                        call.respond(
                            LeaseResponse(
                                lease: milliseconds.map { _ in request.lease }, milliseconds: milliseconds ?? 0
                            ).encoded())
                    }
                }
            }
        }
        table.register(ClientMethods.listLeases) { call in
            read(.linearizable, call) { ListLeasesResponse(leases: try $0.leases()).encoded() }
        }
    }
}
