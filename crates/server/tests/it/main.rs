//! The server as its users meet it: the real binary, on a real socket.

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod account_pages;
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod config;
#[cfg(test)]
mod console;
#[cfg(test)]
mod debugger;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod embed;
#[cfg(test)]
mod guides;
#[cfg(test)]
mod health;
#[cfg(test)]
mod judged;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod learn;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod several;
#[cfg(test)]
mod slips;
#[cfg(test)]
mod snippet;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod token;
#[cfg(test)]
mod tour;
#[cfg(feature = "otlp")]
#[cfg(test)]
mod traces;
#[cfg(test)]
mod typed;
#[cfg(test)]
mod users;
#[cfg(test)]
mod webhooks;
