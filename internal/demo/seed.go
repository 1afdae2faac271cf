package demo

import (
	"fmt"
	"strings"
	"time"
)

// seed returns contacts, last touched first, and deals between them. Every address lies in a domain that cannot exist.
func seed(now time.Time) ([]contact, []deal) {
	day := 24 * time.Hour
	var contacts []contact
	for i, l := range []struct{ name, title, company, city, owner, notes string }{
		{"Mara Hoffmann", "Head of Purchasing", "Nordlicht Optik", "Hamburg", "Ann Lindqvist", "Prefers a call before ten. Decides together with finance; budget is released each quarter."},
		{"Yusuf Demir", "Managing Director", "Demir & Sons Bakeries", "Rotterdam", "Ann Lindqvist", "Opening two more shops in spring and wants the same terms for all of them."},
		{"Siobhán O’Reilly", "Operations Manager", "Clare Coast Ferries", "Galway", "Bob Marsh", "Met at the harbour fair. Asked for references from other ferry lines."},
		{"Teodora Ilieva", "Chief Technology Officer", "Balkan Solar", "Plovdiv", "Ann Lindqvist", "Security questionnaire sent; the answer is due at the end of the month."},
		{"Jakub Nowák", "Facility Manager", "Tatra Hotels", "Zakopane", "Carol Reyes", "Three houses, one contract. Renewal comes up in autumn."},
		{"Amélie Fournier", "Buyer", "Maison Fournier", "Lyon", "Bob Marsh", "Samples arrived, waiting for her verdict on the finish."},
		{"Henrik Aalto", "Logistics Lead", "Pohjola Timber", "Oulu", "Carol Reyes", "Wants delivery by rail. Put him in touch with our forwarder."},
		{"Chiara Bellini", "Founder", "Studio Bellini", "Bologna", "Ann Lindqvist", "Small orders, always on time, and a generous reference."},
		{"Daniel Achterberg", "Head of IT", "Waterlandse Bank", "Purmerend", "Bob Marsh", "Needs single sign-on before anything else. Sent him the gateway’s data sheet."},
		{"Inês Carvalho", "Quality Manager", "Atlântico Conservas", "Matosinhos", "Carol Reyes", "Audit passed. Now it is about volume."},
		{"Oskar Lindgren", "Workshop Manager", "Göta Cykel", "Gothenburg", "Ann Lindqvist", "Seasonal: busy until September, talks in October."},
		{"Zofia Wiśniewska", "Controller", "Kryształ Glass", "Kraków", "Bob Marsh", "Invoices go to a shared mailbox, never to her."},
		{"Matthew Okafor", "Procurement Officer", "City of Bristow", "Bristow", "Carol Reyes", "Public tender; everything in writing."},
		{"Leila Haddad", "Regional Manager", "Cedars Pharma", "Marseille", "Ann Lindqvist", "Introduced by Amélie Fournier."},
	} {
		contacts = append(contacts, contact{
			ID: i + 1, Name: l.name, Title: l.title, Company: l.company, City: l.city, Owner: l.owner, Notes: l.notes,
			Email: address(l.name, l.company), Phone: fmt.Sprintf("+00 555 01%02d", 12+i*5),
			Touched: now.Add(-time.Duration(i*i+i) * day / 2).Add(-40 * time.Minute),
		})
	}
	contacts[3].Document = &document{Name: "security-questionnaire.pdf", Type: "application/pdf", Size: 284_112}
	var deals []deal
	for i, l := range []struct {
		title   string
		contact int
		amount  int
		stage   stage
		days    int
	}{
		{"Shop fittings, two branches", 2, 18_400, lead, 2},
		{"Season spare parts", 11, 6_900, lead, 5},
		{"Trial in Marseille", 14, 4_200, lead, 9},
		{"Deck lighting", 3, 31_500, qualified, 4},
		{"Rail delivery, yearly contract", 7, 54_000, qualified, 12},
		{"Works canteen", 10, 12_750, qualified, 17},
		{"Framework contract", 1, 86_000, proposal, 3},
		{"Monitoring for four sites", 4, 47_300, proposal, 8},
		{"Tender for street furniture", 13, 129_000, proposal, 21},
		{"Autumn collection", 6, 22_100, won, 6},
		{"Studio refit", 8, 9_800, won, 15},
		{"Renewal, three houses", 5, 63_500, won, 26},
	} {
		k := contacts[l.contact-1]
		deals = append(deals, deal{
			ID: i + 1, Title: l.title, Company: k.Company, ContactID: k.ID, Contact: k.Name, Amount: l.amount, Stage: l.stage,
			Since: now.Add(-time.Duration(l.days) * day),
		})
	}
	return contacts, deals
}

var plain = strings.NewReplacer("á", "a", "é", "e", "ê", "e", "â", "a", "ö", "o", "ś", "s", "ó", "o", "ł", "l", "’", "", "&", "", " ", "")

// address makes first.last@company.example of a name and a company.
func address(name, company string) string {
	first, last, _ := strings.Cut(strings.ToLower(name), " ")
	return plain.Replace(first) + "." + plain.Replace(last) + "@" + plain.Replace(strings.ToLower(company)) + ".example"
}
