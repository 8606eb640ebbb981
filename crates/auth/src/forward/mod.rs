//! Forward authentication: a proxy in front of an API asks, for each request, who sends it.
//!
//! The question is the head of that request. The proxy, not the client, says what its method was; without that a cookie
//! proves nothing, because a browser sends it along with requests that other sites make it send.

pub(crate) mod http;
