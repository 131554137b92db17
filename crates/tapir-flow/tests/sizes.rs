//! Memory per connection: an idle established connection without anything of the upper layers stays small.

#[test]
fn a_connection_is_small() {
    let conn = std::mem::size_of::<tapir_flow::Conn<()>>();
    // Its slot, index entry and three timers come on top. With a pointer for the upper layers it fits blocks of 448
    // bytes; the next larger ones of allocators have 512.
    assert!(
        conn <= 440,
        "a connection takes {conn} bytes, an endpoint {}",
        std::mem::size_of::<tapir_flow::Endpoint>()
    );
}
