// Package templates holds everything a person sees: pages, mails, the style sheet. Package page renders them.
package templates

import "embed"

// FS are the built-in templates and assets.
//
//go:embed all:layout all:pages all:mail all:static
var FS embed.FS
