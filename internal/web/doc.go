// Package web owns the pages below the gateway's prefix, one file per page. Each handler reads its form, asks a service and names a
// template; it decides nothing itself. The pages' words are templates (package page), the sign-in's steps are package signin, people
// and their passwords are package account.
//
// Decisions:
//   - Pages that share collaborators share a handler (SignInPages, SignOutPages, ResetPages, AccountPages, FactorPages, HelpPages), which
//     registers their addresses; what every page needs is Site, one for all of them. Handler only puts them together.
//   - Addresses are registered without methods and Site.on picks the method: with a catch-all for unknown addresses,
//     http.ServeMux would answer a wrong method with 404.
//   - A mailed link moves its token into a cookie of its own page and redirects at once: the token stays in no address bar, history,
//     log or Referer, and opening the link uses nothing up, so mail scanners do no harm.
//   - That cookie is SameSite=Lax: a click in a webmail is a navigation from another site, which Strict would not survive.
//   - Only the failures of callbacks are counted against a client: an office behind one address signs in without limit.
//   - The page that changes a directory's password keeps nothing between requests: a proof kept in a cookie or a store would be one more
//     thing to steal. Who comes from a sign-in that needs a new password has the current one in the form, sealed for that name and ten
//     minutes, and so is not asked twice; everybody else types it. Guesses at it count with those at sign-in.
//   - A person's own page (account*.go) shows everything at once and changes nothing itself; what changes something is a form on a page of its
//     own below it. Every such form needs a proof of who it is that is younger than factors.fresh (changing); whoever has none is led to it and
//     back to the page with what they typed, sealed in the address, where the form is sent again (typed.go). Signing out and "This was not me" need none.
//   - What happened is told in words that are chosen here (account_history.go). Of what a stranger sent, only the network address is shown.
//   - Times are written in UTC; a script turns them into the reader's own.
//   - A password or token never comes back readable in a page, also not when the form is shown again.
package web
