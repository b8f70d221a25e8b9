//! The demonstration: a small relying application with a sample API, which signs a person in
//! the way any application would and shows every step that it took, and why.
//!
//! It is a client of the issuer like any other: it knows an issuer URL, a client id and a
//! secret, and learns the rest through discovery. Nothing here is used when serving for real.
//! Reading order: [`settings`], [`sign_in`], [`acts`], [`lessons`], [`leaving`], [`resource`];
//! what they tell is built of [`told`] and shown by [`pages`]. Beside it stands an API that there
//! are keys for, [`weather`]; [`walk`] is the commands that use it.

mod acts;
mod attempt;
mod banner;
mod decode;
mod guard;
mod leaving;
mod lessons;
mod meaning;
mod pages;
mod proof;
mod provider;
mod resource;
mod routes;
mod sessions;
mod settings;
mod sign_in;
mod told;
mod walk;
mod weather;
mod wire;

#[cfg(test)]
mod tests;

pub use banner::{Front, Opening, Start, banner};
pub use settings::{API_SCOPE, DemoSettings, KEY_SCOPE, WEATHER};
pub use weather::{Asking, Between, Nginx, WeatherSettings, present, weather_api};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use std::net::TcpListener;

/// Starts the application on a socket that listens at `settings.listen`, on the actix system of the caller. The returned
/// server is a future that ends when it is stopped; it handles no signals itself.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn relying_application(settings: DemoSettings, socket: TcpListener) -> std::io::Result<actix_web::dev::Server> {
    let site = web::Data::new(routes::Site::new(settings));
    let server = HttpServer::new(move || {
        App::new().app_data(site.clone()).wrap(from_fn(guard::guard)).configure(routes::routes)
    })
    .workers(1)
    .disable_signals()
    .listen(socket)?
    .run();
    Ok(server)
}
