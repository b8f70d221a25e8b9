//! `floor PORT WORKERS [KEYS]`: a fixed JSON answer of 700 bytes over actix-web, and the two hot requests of an
//! authorization server with all that they must do but no store behind them (see `requests`). It is no product:
//! it is what a server written with these crates cannot undercut, and so the yardstick that needs no peer installed.

mod requests;

use actix_web::{App, HttpResponse, HttpServer, web};

/// As many bytes as a key set of three keys has, made for each request as a handler without a cache would.
async fn plain() -> HttpResponse {
    let body = format!("{{\"access_token\":\"{:0<650}\",\"sig\":0}}", "a");
    HttpResponse::Ok().content_type("application/json").body(body)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap_or(0));
    let (Some(port), Some(workers)) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: floor PORT WORKERS [KEYS]");
        std::process::exit(2)
    };
    let port = u16::try_from(port).unwrap_or(0);
    let state = web::Data::new(requests::State::new(port, numbers.next().unwrap_or(1000)));
    HttpServer::new(move || {
        App::new().app_data(state.clone()).configure(requests::routes).route("/", web::get().to(plain))
    })
    .workers(usize::try_from(workers).unwrap_or(2))
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
