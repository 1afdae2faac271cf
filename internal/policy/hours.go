package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// HoursConfig is a span of the day on some days of the week.
type HoursConfig struct {
	Days []string `json:"days" jsonschema:"mon, tue, wed, thu, fri, sat, sun, or spans such as mon-fri; none: every day."`
	From string   `json:"from" jsonschema:"Begin, such as 08:00."`
	To   string   `json:"to" jsonschema:"End, such as 18:00, which is not included. One before from is on the next day."`
	Zone string   `json:"zone" jsonschema:"Time zone, such as Europe/Berlin."`
}

// Default returns a span that is the whole day.
func (HoursConfig) Default() HoursConfig { return HoursConfig{From: "00:00", To: "24:00"} }

// hours asks for a moment within any of a list of spans.
type hours struct {
	spans []span
	text  string
}

// span is a compiled HoursConfig. Days are bits by time.Weekday, from and to minutes of the day.
type span struct {
	days     uint8
	from, to int
	zone     *time.Location
}

func newHours(list []HoursConfig) hours {
	var h hours
	var words []string
	for _, c := range list {
		sp, ps := c.compile()
		if len(ps) > 0 {
			continue
		}
		h.spans = append(h.spans, sp)
		words = append(words, c.String())
	}
	h.text = anyOf("the hours", "hours", words)
	return h
}

func (h hours) holds(s Subject) bool {
	if s.At.IsZero() || s.untimed {
		return false
	}
	return slices.ContainsFunc(h.spans, func(sp span) bool { return sp.contains(s.At) })
}

func (h hours) wants() string { return h.text }

func (hours) aspect() Aspect { return AtHours }

// contains goes by the clock on the wall: on the two days of the year when it is moved, a span is longer or shorter. A span over midnight
// belongs to the day on which it begins.
func (sp span) contains(t time.Time) bool {
	t = t.In(sp.zone)
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	if sp.from < sp.to {
		return sp.on(day) && sp.from <= minute && minute < sp.to
	}
	return sp.on(day) && minute >= sp.from || sp.on((day+6)%7) && minute < sp.to
}

func (sp span) on(d time.Weekday) bool { return sp.days>>d&1 == 1 }

// String is the span in a sentence.
func (c HoursConfig) String() string {
	days := "every day"
	if len(c.Days) > 0 {
		days = strings.Join(c.Days, "+")
	}
	return fmt.Sprintf("%s %s-%s %s", days, c.From, c.To, c.Zone)
}

func (c HoursConfig) compile() (span, fault.Problems) {
	var sp span
	var ps fault.Problems
	for i, d := range c.Days {
		bits, ok := parseDays(d)
		if !ok {
			ps.Add(fmt.Sprintf("days[%d]", i), "Write mon, tue, wed, thu, fri, sat or sun, or a span such as mon-fri.", "%q is not a day", d)
		}
		sp.days |= bits
	}
	if len(c.Days) == 0 {
		sp.days = 1<<7 - 1
	}
	var ok bool
	if sp.from, ok = parseClock(c.From); !ok || sp.from == 24*60 {
		ps.Add("from", "Write hours and minutes, such as 08:00.", "%q is not a time of day", c.From)
	}
	if sp.to, ok = parseClock(c.To); !ok {
		ps.Add("to", "Write hours and minutes, such as 18:00; 24:00 is the end of the day.", "%q is not a time of day", c.To)
	} else if sp.to == sp.from {
		ps.Add("to", "For the whole day leave from and to out.", "the span ends when it begins")
	}
	var err error
	switch sp.zone, err = time.LoadLocation(c.Zone); {
	case c.Zone == "" || c.Zone == "Local":
		ps.Add("zone", "Write a time zone, such as Europe/Berlin or UTC.", "is missing: hours mean something else in another place")
	case err != nil:
		ps.Add("zone", "Write a name of the time zone database, such as Europe/Berlin or UTC.", "%q is not a time zone", c.Zone)
	}
	return sp, ps
}

func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// parseDays reads "mon" or "fri-mon", which goes over the end of the week.
func parseDays(s string) (uint8, bool) {
	first, last, isSpan := strings.Cut(lower(s), "-")
	i, j := slices.Index(weekdays(), first), slices.Index(weekdays(), last)
	if !isSpan {
		j = i
	}
	if i < 0 || j < 0 {
		return 0, false
	}
	bits := uint8(1 << j)
	for ; i != j; i = (i + 1) % 7 {
		bits |= 1 << i
	}
	return bits, true
}

// parseClock reads "08:30" as minutes of the day, up to 24:00.
func parseClock(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for _, i := range [...]int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	return h*60 + m, m < 60 && h*60+m <= 24*60
}
