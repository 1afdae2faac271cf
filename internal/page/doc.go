// Package page owns what people see: it loads the templates (built-in, or the administrator's own over them), renders pages
// and mails, serves the assets, and is the one exit for errors. It decides nothing about people.
//
// A page is templates/pages/<name>.html. It defines "title" and "main"; templates/layout/base.html puts them together with
// what every page has (View). Parts that several pages share stand in templates/parts.
//
// Decisions:
//   - Pages are rendered into a buffer and sent only when complete: a template error is an error page, never half a page.
//   - A built-in template is parsed when it is first needed, which a test proves to work for each; an administrator's are all parsed at
//     the start, where a mistake can still be named.
//   - Fail is the only place that turns an error into a status, a log line with the reference id and a page (or JSON for callers
//     that are not browsers' navigations).
//   - No inline script or style: the Content-Security-Policy forbids both, so an injected one does nothing. The policy is set
//     here, where the pages are made, because a refusal on the CRM's own paths needs it as much as a page below the prefix.
//   - What goes with the brand colour (the text on it, its edge, links) is brought to readable contrast here, once, for light and
//     for dark; no administrator can choose a colour that makes a button unreadable.
//   - Asset addresses carry a hash of all assets, so browsers may keep them for good and a new version is seen at once.
package page
