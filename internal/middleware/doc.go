// Package middleware owns what every request passes before anything else, one file each: request id, client address, recover,
// access log, secure headers, cross-origin protection.
package middleware
