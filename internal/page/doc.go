// Package page owns what people see: it loads the templates (built-in, or the administrator's own over them), renders pages
// and mails, and is the one exit for errors. It decides nothing about people.
//
// Decisions:
//   - Pages are rendered into a buffer and sent only when complete: a template error is an error page, never half a page.
//   - Fail is the only place that turns an error into a status, a log line with the reference id and a page (or JSON for callers
//     that are not browsers' navigations).
//   - No inline script or style: the Content-Security-Policy forbids both, so an injected one does nothing.
package page
