// Package app owns assembly: it opens what the configuration names, wires the packages to each other, serves, and shuts down.
// It is the only package that knows them all, and it decides nothing about people or requests.
//
// Core is what the server and the administrative commands share (stores, providers, the rules about accounts); App adds the
// listeners and the background work.
//
// Decisions:
//   - Start-up never asks a provider, the mail server or the CRM. What is down is reported where somebody needs it; the rest works.
//   - The store is different: without it nobody can be let in or kept out, so a store that cannot be opened ends the start.
//   - Nothing is reloaded while running but the gateway's own keys and the files of its certificate. A changed configuration is a restart,
//     which takes milliseconds and loses no session.
//
// Libraries: prometheus/client_golang for the metrics that every monitoring reads; x/sync/errgroup ends the listeners together;
// x/crypto/acme gets and renews certificates where server.tls.acme asks for that. The journeys are testscript scripts, which a person can
// read.
package app
