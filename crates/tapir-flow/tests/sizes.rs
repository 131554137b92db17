//! Memory per connection: an idle established connection without anything of the upper layers stays small.

#[test]
fn a_connection_is_small() {
    let conn = std::mem::size_of::<tapir_flow::Conn<()>>();
    // Its slot, index entry and timers come on top. With two pointers for the upper layers it fits blocks of 384 bytes;
    // the next larger ones of allocators have 448.
    assert!(
        conn <= 368,
        "a connection takes {conn} bytes, an endpoint {}",
        std::mem::size_of::<tapir_flow::Endpoint>()
    );
}
