// Package proxy owns the way to the CRM: the upstream's pool of connections, the hygiene of paths and headers, the identity
// headers and the signed assertion, upgrades and streams. It does not decide who may pass (packages policy and gateway).
package proxy
