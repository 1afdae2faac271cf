package demo

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxContacts bounds the memory that visitors can fill.
	maxContacts = 500
	// maxField is the longest text of one form field, in bytes.
	maxField = 4 << 10
	// maxUpload is the largest upload; it is streamed and thrown away, so only patience is at stake.
	maxUpload = 1 << 30
)

// contact is a customer's person.
type contact struct {
	ID       int
	Name     string
	Title    string
	Company  string
	City     string
	Email    string
	Phone    string
	Owner    string
	Notes    string
	Touched  time.Time
	Document *document
}

// document is what is left of an uploaded file.
type document struct {
	Name string
	Type string
	Size int64
}

// contactsPage lists contacts.
type contactsPage struct {
	Query string
	Total int
	List  []contact
}

// contactPage shows one.
type contactPage struct {
	contact
	Deals []deal
	New   bool
}

// contactForm is the form for a new one, with what was typed and what is wrong with it.
type contactForm struct {
	contact
	Problems map[string]string
}

func (c *CRM) listContacts(w http.ResponseWriter, r *http.Request) {
	p := contactsPage{Query: strings.TrimSpace(r.FormValue("q"))}
	needle := strings.ToLower(p.Query)
	c.mu.RLock()
	p.Total = len(c.contacts)
	for _, k := range c.contacts {
		if strings.Contains(strings.ToLower(k.Name+" "+k.Company+" "+k.City+" "+k.Email), needle) {
			p.List = append(p.List, k)
		}
	}
	c.mu.RUnlock()
	c.show(w, r, http.StatusOK, "contacts", "Contacts", "contacts", p)
}

func (c *CRM) showContact(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id")) // what is no number is nobody's
	c.mu.RLock()
	i := slices.IndexFunc(c.contacts, func(k contact) bool { return k.ID == id })
	var p contactPage
	if i >= 0 {
		p.contact = c.contacts[i]
		for _, d := range c.deals {
			if d.ContactID == id {
				p.Deals = append(p.Deals, d)
			}
		}
	}
	c.mu.RUnlock()
	if i < 0 {
		c.missing(w, r)
		return
	}
	p.New = r.URL.Query().Has("new")
	c.show(w, r, http.StatusOK, "contact", p.Name, "contacts", p)
}

func (c *CRM) newContact(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "contact_new", "New contact", "contacts", contactForm{})
}

func (c *CRM) createContact(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	k, err := readContact(r)
	if err != nil {
		http.Error(w, "The form cannot be read: it is too large or was cut off.", http.StatusBadRequest)
		return
	}
	if problems := k.check(); len(problems) > 0 {
		c.show(w, r, http.StatusUnprocessableEntity, "contact_new", "New contact", "contacts", contactForm{k, problems})
		return
	}
	k.Owner, k.Touched = callerOf(r).Name, c.now()
	c.mu.Lock()
	k.ID = c.nextID
	c.nextID++
	c.contacts = slices.Insert(c.contacts, 0, k)
	if len(c.contacts) > maxContacts {
		c.contacts = c.contacts[:maxContacts]
	}
	c.mu.Unlock()
	http.Redirect(w, r, fmt.Sprintf("/contacts/%d?new", k.ID), http.StatusSeeOther)
}

func (k contact) check() map[string]string {
	problems := map[string]string{}
	if k.Name == "" {
		problems["name"] = "Enter a name."
	}
	if k.Email != "" && !strings.Contains(k.Email, "@") {
		problems["email"] = "An e-mail address has an @ in it."
	}
	return problems
}

// readContact reads the form as it arrives, so that an upload of any size costs no memory.
func readContact(r *http.Request) (contact, error) {
	var k contact
	mr, err := r.MultipartReader()
	if err != nil {
		return k, fmt.Errorf("read form: %w", err)
	}
	fields := map[string]*string{
		"name": &k.Name, "title": &k.Title, "company": &k.Company, "city": &k.City, "email": &k.Email, "phone": &k.Phone, "notes": &k.Notes,
	}
	for {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return k, nil
		}
		if err != nil {
			return k, fmt.Errorf("read form: %w", err)
		}
		if part.FormName() == "document" {
			k.Document, err = readDocument(part)
		} else if into := fields[part.FormName()]; into != nil {
			*into, err = readField(part)
		}
		if err != nil {
			return k, err
		}
	}
}

func readField(part *multipart.Part) (string, error) {
	b, err := io.ReadAll(io.LimitReader(part, maxField))
	if err != nil {
		return "", fmt.Errorf("read field: %w", err)
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "�")), nil
}

func readDocument(part *multipart.Part) (*document, error) {
	n, err := io.Copy(io.Discard, part)
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	if part.FileName() == "" {
		return nil, nil // the field was left empty
	}
	name := part.FileName()
	if utf8.RuneCountInString(name) > 120 {
		name = string([]rune(name)[:120])
	}
	return &document{Name: name, Type: part.Header.Get("Content-Type"), Size: n}, nil
}
