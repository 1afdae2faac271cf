package demo

import (
	"net/http"
	"sync"
	"time"
)

// CRM is a small customer database, as a handler for the root of its own server.
type CRM struct {
	// Product is its name; NewCRM sets "Lantern CRM".
	Product string
	// Prefix is where the gateway's own pages lie, for "my account" and "sign out"; NewCRM sets "/_gate".
	Prefix string
	// Tick is the pause between two events of the live clock; NewCRM sets a second.
	Tick time.Duration

	now   func() time.Time
	pages *pages
	mux   http.Handler

	mu       sync.RWMutex // guards what follows
	contacts []contact
	deals    []deal
	nextID   int
}

// NewCRM returns a CRM with a few months of plausible business in it. A nil clock is time.Now.
func NewCRM(now func() time.Time) (*CRM, error) {
	if now == nil {
		now = time.Now
	}
	p, err := newPages("crm", now, "home", "contacts", "contact", "contact_new", "deals", "whoami", "reports", "missing")
	if err != nil {
		return nil, err
	}
	c := &CRM{Product: "Lantern CRM", Prefix: "/_gate", Tick: time.Second, now: now, pages: p}
	c.contacts, c.deals = seed(now())
	c.nextID = len(c.contacts) + 1
	c.mux = c.routes()
	return c, nil
}

// ServeHTTP answers everything.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

func (c *CRM) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.home)
	mux.HandleFunc("GET /contacts", c.listContacts)
	mux.HandleFunc("POST /contacts", c.createContact)
	mux.HandleFunc("GET /contacts/new", c.newContact)
	mux.HandleFunc("GET /contacts/{id}", c.showContact)
	mux.HandleFunc("GET /deals", c.board)
	mux.HandleFunc("POST /deals/{id}/move", c.moveDeal)
	mux.HandleFunc("GET /whoami", c.whoami)
	mux.HandleFunc("GET /admin/reports", c.reports)
	mux.HandleFunc("GET /clock", c.clock)
	mux.HandleFunc("GET /static/demo.css", asset("demo.css", "text/css"))
	mux.HandleFunc("GET /static/clock.js", asset("clock.js", "text/javascript"))
	mux.HandleFunc("GET /static/lantern.svg", asset("lantern.svg", "image/svg+xml"))
	mux.HandleFunc("/", c.missing)
	return http.NewCrossOriginProtection().Handler(mux)
}

// frame is what the CRM's layout needs.
type frame struct {
	Title   string
	Active  string // the entry of the navigation
	Product string
	Prefix  string
	Caller  caller
	P       any
}

func (c *CRM) show(w http.ResponseWriter, r *http.Request, status int, name, title, active string, p any) {
	c.pages.show(w, status, name, frame{Title: title, Active: active, Product: c.Product, Prefix: c.Prefix, Caller: callerOf(r), P: p})
}

func (c *CRM) missing(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusNotFound, "missing", "Not found", "", nil)
}

// homePage is the first page after signing in.
type homePage struct {
	Greeting string
	Time     time.Time
	Open     int
	Pipeline int
	Won      int
	Contacts int
	Recent   []contact
	Next     []deal
}

func (c *CRM) home(w http.ResponseWriter, r *http.Request) {
	now := c.now()
	p := homePage{Greeting: greeting(now), Time: now}
	c.mu.RLock()
	p.Contacts = len(c.contacts)
	for _, d := range c.deals {
		if d.Stage == won {
			p.Won += d.Amount
			continue
		}
		p.Open++
		p.Pipeline += d.Amount
		if d.Stage == proposal {
			p.Next = append(p.Next, d)
		}
	}
	p.Recent = append(p.Recent, c.contacts[:min(4, len(c.contacts))]...)
	c.mu.RUnlock()
	c.show(w, r, http.StatusOK, "home", "Home", "home", p)
}

func greeting(t time.Time) string {
	switch h := t.Hour(); {
	case h < 5 || h >= 18:
		return "Good evening"
	case h < 12:
		return "Good morning"
	}
	return "Good afternoon"
}
