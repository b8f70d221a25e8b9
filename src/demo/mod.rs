//! The demonstration: a small relying application with a sample API, which signs a person in
//! the way any application would and shows every step that it took, and why.
//!
//! It is a client of the issuer like any other: it knows an issuer URL, a client id and a
//! secret, and learns the rest through discovery. Nothing here is used when serving for real.

mod banner;
mod settings;

pub use banner::{Opening, Start, banner};
pub use settings::{API_SCOPE, DemoSettings};

use actix_web::{App, HttpResponse, HttpServer, web};

/// Starts the application on `settings.listen`, on the actix system of the caller. The returned
/// server is a future that ends when it is stopped; it handles no signals itself.
///
/// # Errors
/// When the address cannot be bound.
pub fn relying_application(settings: DemoSettings) -> std::io::Result<actix_web::dev::Server> {
    let listen = settings.listen;
    let server = HttpServer::new(|| App::new().route("/", web::get().to(HttpResponse::Ok)))
        .workers(1)
        .disable_signals()
        .bind(listen)?
        .run();
    Ok(server)
}
