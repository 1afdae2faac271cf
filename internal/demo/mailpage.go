package demo

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// refreshAfter is how many seconds the list waits before it asks again. It goes into the header that <meta http-equiv> stands
// for, and the page offers to stop it: people who read slowly or listen need that (WCAG 2.2.1).
const refreshAfter = "3"

// ServeHTTP shows the mails at /mail; a client that asks for JSON gets the list with the texts.
func (i *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.mux.ServeHTTP(w, r) }

func (i *Inbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /mail", i.list)
	mux.HandleFunc("GET /mail/{$}", i.list)
	mux.HandleFunc("GET /mail/{id}", i.one(i.showMessage))
	mux.HandleFunc("GET /mail/{id}/html", i.one(i.showHTML))
	mux.HandleFunc("GET /mail/{id}/raw", i.one(i.showRaw))
	mux.HandleFunc("GET /mail/static/demo.css", asset("demo.css", "text/css"))
	mux.HandleFunc("GET /mail/static/mail.svg", asset("mail.svg", "image/svg+xml"))
	return mux
}

// mailFrame is what the inbox's layout needs.
type mailFrame struct {
	Title string
	Still bool // the list does not ask again by itself
	Home  string
	P     any
}

// messagePage shows one mail.
type messagePage struct {
	Message
	Segments []segment
}

func (i *Inbox) list(w http.ResponseWriter, r *http.Request) {
	messages := i.Messages()
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		// A client that left is no news.
		_ = json.NewEncoder(w).Encode(messages)
		return
	}
	still := r.URL.Query().Has("still")
	if !still {
		w.Header().Set("Refresh", refreshAfter)
	}
	i.pages.show(w, http.StatusOK, "list", mailFrame{Title: "Inbox", Still: still, Home: i.Home, P: messages})
}

func (i *Inbox) one(show func(http.ResponseWriter, Message)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id")) // what is no number is no mail
		m, ok := i.get(id)
		if !ok {
			http.Error(w, "There is no such mail.", http.StatusNotFound)
			return
		}
		show(w, m)
	}
}

func (i *Inbox) showMessage(w http.ResponseWriter, m Message) {
	title := m.Subject
	if title == "" {
		title = "Without subject"
	}
	i.pages.show(w, http.StatusOK, "message", mailFrame{Title: title, Home: i.Home, P: messagePage{m, segments(m.Text)}})
}

// Links in the mail must replace the whole window: the gateway's pages refuse to be framed.
const baseTarget = `<base target="_top">`

var headTag = regexp.MustCompile(`(?i)<head(\s[^>]*)?>`)

// showHTML serves the HTML reading for the frame. The sandbox keeps its scripts and forms from running, whatever a test mails.
func (i *Inbox) showHTML(w http.ResponseWriter, m Message) {
	body := baseTarget + m.HTML
	if at := headTag.FindStringIndex(m.HTML); at != nil {
		body = m.HTML[:at[1]] + baseTarget + m.HTML[at[1]:]
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	// A browser that left is no news.
	_, _ = w.Write([]byte(body))
}

func (i *Inbox) showRaw(w http.ResponseWriter, m Message) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	// A browser that left is no news.
	_, _ = w.Write([]byte(m.Raw))
}
