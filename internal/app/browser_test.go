package app_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser is a person's browser as far as the journeys need one: cookies, redirects, links, forms; no script.
type browser struct {
	client *http.Client
	url    *url.URL
	status int
	header http.Header
	body   string
	// hops are the addresses that redirects led through, the first request included.
	hops []string
}

func newBrowser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 12 {
			return fmt.Errorf("more than 12 redirects, at %s", req.URL)
		}
		navigate(req)
		b.hops = append(b.hops, req.URL.String())
		return nil
	}}
	return b
}

// navigate makes a request look as a browser's navigation does.
func navigate(req *http.Request) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) journey")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
}

func (b *browser) do(req *http.Request) error {
	b.hops = []string{req.URL.String()}
	navigate(req)
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	b.url, b.status, b.header, b.body = resp.Request.URL, resp.StatusCode, resp.Header, string(body)
	return err
}

// open goes to an address, which may be relative to the present page.
func (b *browser) open(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if b.url != nil {
		u = b.url.ResolveReference(u)
	}
	req, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	return b.do(req)
}

// click follows the link whose text or address contains what is given.
func (b *browser) click(what string) error {
	for _, l := range b.parse().links {
		if strings.Contains(l.text, what) || strings.Contains(l.href, what) {
			return b.open(l.href)
		}
	}
	return fmt.Errorf("no link %q on %s", what, b.url)
}

// submit fills the first form that has all the fields and sends it as a browser on that page would.
func (b *browser) submit(fields map[string]string) error { return b.submitTo("", fields) }

// submitTo is submit for the first form whose address ends so.
func (b *browser) submitTo(action string, fields map[string]string) error {
	for _, f := range b.parse().forms {
		missing := !strings.HasSuffix(f.action, action)
		for name := range fields {
			_, ok := f.fields[name]
			missing = missing || !ok
		}
		if missing {
			continue
		}
		values := url.Values{}
		for name, v := range f.fields {
			if given, ok := fields[name]; ok {
				v = given
			}
			if v != unchecked {
				values.Set(name, v)
			}
		}
		return b.send(f, values)
	}
	return fmt.Errorf("no form with those fields on %s", b.url)
}

func (b *browser) send(f form, values url.Values) error {
	to, err := url.Parse(f.action)
	if err != nil {
		return err
	}
	to = b.url.ResolveReference(to)
	if strings.EqualFold(f.method, "post") {
		req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.url.Scheme+"://"+b.url.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return b.do(req)
	}
	to.RawQuery = values.Encode()
	return b.open(to.String())
}

type link struct{ href, text string }

type form struct {
	action, method string
	fields         map[string]string
}

type document struct {
	links []link
	forms []form
	text  string
}

// unchecked stands for a check box that a browser would not send.
const unchecked = "\x00"

// parse reads links, forms and visible text. Our pages are well-formed enough for the XML decoder in its HTML mood.
func (b *browser) parse() document {
	d := xml.NewDecoder(strings.NewReader(b.body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var doc document
	var text, anchor, inside strings.Builder
	var href, last string // last is the field that inside belongs to
	for {
		tok, err := d.Token()
		if err != nil {
			break
		}
		switch e := tok.(type) {
		case xml.CharData:
			text.Write(e)
			text.WriteByte(' ')
			anchor.Write(e)
			inside.Write(e)
		case xml.StartElement:
			switch e.Name.Local {
			case "a":
				href = attr(e, "href")
				anchor.Reset()
			case "form":
				doc.forms = append(doc.forms, form{action: attr(e, "action"), method: attr(e, "method"), fields: map[string]string{}})
			case "input", "button", "select", "textarea":
				doc.addField(e)
				last = attr(e, "name")
				inside.Reset()
			case "option":
				if has(e, "selected") && len(doc.forms) > 0 {
					doc.forms[len(doc.forms)-1].fields[last] = attr(e, "value")
				}
			}
		case xml.EndElement:
			if e.Name.Local == "textarea" && len(doc.forms) > 0 {
				doc.forms[len(doc.forms)-1].fields[last] = inside.String()
			}
			if e.Name.Local == "a" {
				doc.links = append(doc.links, link{href: href, text: strings.Join(strings.Fields(anchor.String()), " ")})
			}
		}
	}
	doc.text = strings.Join(strings.Fields(text.String()), " ")
	return doc
}

func (doc *document) addField(e xml.StartElement) {
	name := attr(e, "name")
	if name == "" || len(doc.forms) == 0 || e.Name.Local == "button" {
		return
	}
	v := attr(e, "value")
	if attr(e, "type") == "checkbox" && !has(e, "checked") {
		v = unchecked
	}
	doc.forms[len(doc.forms)-1].fields[name] = v
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func has(e xml.StartElement, name string) bool {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return true
		}
	}
	return false
}
