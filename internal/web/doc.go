// Package web owns the pages below the gateway's prefix, one file per page. Each handler reads its form, asks a service and names a
// template; it decides nothing itself.
package web
