package demo

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// stage is a column of the board.
type stage string

const (
	lead      stage = "lead"
	qualified stage = "qualified"
	proposal  stage = "proposal"
	won       stage = "won"
)

var stages = []stage{lead, qualified, proposal, won}

var stageNames = map[stage]string{lead: "Lead", qualified: "Qualified", proposal: "Proposal", won: "Won"}

// Name is the column's heading.
func (s stage) Name() string { return stageNames[s] }

// deal is something that may be sold.
type deal struct {
	ID        int
	Title     string
	Company   string
	ContactID int
	Contact   string
	Amount    int // euros
	Stage     stage
	Since     time.Time
}

// Previous and Next are the neighbouring columns; empty at the ends.
func (d deal) Previous() stage { return d.neighbour(-1) }

// Next is the column to the right.
func (d deal) Next() stage { return d.neighbour(1) }

func (d deal) neighbour(by int) stage {
	i := slices.Index(stages, d.Stage) + by
	if i < 0 || i >= len(stages) {
		return ""
	}
	return stages[i]
}

// column is one stage of the board with its deals.
type column struct {
	Stage stage
	Sum   int
	Deals []deal
}

func (c *CRM) columns() []column {
	var out []column
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range stages {
		col := column{Stage: s}
		for _, d := range c.deals {
			if d.Stage == s {
				col.Sum += d.Amount
				col.Deals = append(col.Deals, d)
			}
		}
		out = append(out, col)
	}
	return out
}

func (c *CRM) board(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "deals", "Deals", "deals", c.columns())
}

func (c *CRM) moveDeal(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id")) // what is no number is no deal
	to := stage(r.PostFormValue("stage"))
	c.mu.Lock()
	i := slices.IndexFunc(c.deals, func(d deal) bool { return d.ID == id })
	ok := i >= 0 && slices.Contains(stages, to)
	if ok && c.deals[i].Stage != to {
		c.deals[i].Stage, c.deals[i].Since = to, c.now()
	}
	c.mu.Unlock()
	if !ok {
		c.missing(w, r)
		return
	}
	http.Redirect(w, r, "/deals#deal-"+strconv.Itoa(id), http.StatusSeeOther)
}

// reportsPage is for administrators.
type reportsPage struct {
	Months  []bar
	Columns []column
	Total   int
	Best    string
}

// bar is a month of the chart, with its place in the drawing.
type bar struct {
	Label  string
	Amount int
	X      int
	Y      int
	Height int
}

const (
	barStep     = 52
	chartHeight = 150
)

func (c *CRM) reports(w http.ResponseWriter, r *http.Request) {
	// Last year's figures are made up; only the pipeline is live.
	amounts := []int{41_000, 38_500, 52_200, 47_900, 61_300, 58_800, 44_100, 39_700, 66_400, 71_900, 69_200, 83_600}
	p := reportsPage{Columns: c.columns()}
	top := slices.Max(amounts)
	first := c.now().AddDate(0, -len(amounts)+1, 1-c.now().Day())
	for i, a := range amounts {
		h := a * chartHeight / top
		b := bar{Label: first.AddDate(0, i, 0).Format("Jan"), Amount: a, X: i * barStep, Y: chartHeight - h, Height: h}
		p.Months = append(p.Months, b)
		p.Total += a
		if a == top {
			p.Best = first.AddDate(0, i, 0).Format("January")
		}
	}
	c.show(w, r, http.StatusOK, "reports", "Reports", "reports", p)
}
