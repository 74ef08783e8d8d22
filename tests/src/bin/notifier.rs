//! A program that tells its service manager something: each argument is a message to `NOTIFY_SOCKET`.

use std::os::unix::net::UnixDatagram;

fn main() {
    let path = std::env::var_os("NOTIFY_SOCKET").expect("NOTIFY_SOCKET");
    let socket = UnixDatagram::unbound().expect("a socket");
    for message in std::env::args().skip(1) {
        socket.send_to(message.as_bytes(), &path).expect("somebody takes the message");
    }
}
