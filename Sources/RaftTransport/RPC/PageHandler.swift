internal import NIOCore
internal import NIOHTTP1

/// One page of text, and whoever asks for something else: HTTP/1.1 above TLS, one answer for each connection.
final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let page: RPCServer.Page
    /// Lives as long as this does.
    private let place: ConnectionRegistry.Place
    private var timer: Scheduled<Void>?
    private var request: HTTPRequestHead?
    private var hasAnswered = false

    /// How long a request and its answer may take.
    static let patience = TimeAmount.seconds(10)
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    init(_ page: RPCServer.Page, _ place: ConnectionRegistry.Place) {
        self.page = page
        self.place = place
    }

    /// The handlers between TLS and the page.
    static func pipeline(_ page: RPCServer.Page, _ place: ConnectionRegistry.Place) -> [any ChannelHandler] {
        [
            HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)),
            PageHandler(page, place),
        ]
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: Self.patience) { bound.value.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasAnswered else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): request = head
        case .body: break  // Nothing that is asked here has one.
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let request else { return }
        hasAnswered = true
        let path = request.uri.prefix { $0 != "?" }
        switch (request.method, path == page.path) {
        case (.GET, true), (.HEAD, true):
            respond(.ok, page.text(), isBodyless: request.method == .HEAD, context)
        case (_, true): respond(.methodNotAllowed, "GET \(page.path)\n", context)
        case (_, false): respond(.notFound, "there is nothing here but \(page.path)\n", context)
        }
    }

    private func respond(
        _ status: HTTPResponseStatus, _ text: String, isBodyless: Bool = false, _ context: ChannelHandlerContext
    ) {
        let headers: HTTPHeaders = [
            "Content-Type": Self.contentType, "Content-Length": "\(text.utf8.count)", "Connection": "close",
        ]
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        if !isBodyless {
            let body = context.channel.allocator.buffer(string: text)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        // Who asked closes, having read all of it; or time does.
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Its certificate is no longer good, or it has said all that it will.
        if event is Expulsion { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
