//! `auth` as an application sees it: the routes, and the promises of storage on every engine.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod checkup;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod console;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod door;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod http;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod webhooks;
