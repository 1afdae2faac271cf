package account

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// Rename gives a local account the name that its owner typed. Whose name a provider knows changes it there: that is fault.Conflict with a
// sentence that says where. A name that cannot be is fault.Invalid.
func (s *Service) Rename(ctx context.Context, id, name string) (*Account, error) {
	name = strings.Join(strings.Fields(name), " ")
	switch {
	case name == "":
		return nil, fault.New(fault.Invalid, "Type your name.").WithReason("bad_name")
	case utf8.RuneCountInString(name) > maxName:
		return nil, fault.New(fault.Invalid, fmt.Sprintf("A name may have up to %d characters.", maxName)).WithReason("bad_name")
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return nil, fault.New(fault.Invalid, "The name has characters in it that cannot be shown. Please type it again.").WithReason("bad_name")
	}
	var refusal error
	a, err := s.Store.UpdateAccount(ctx, id, func(b *Account) error {
		if refusal = s.renamable(b); refusal != nil {
			return errRefused
		}
		b.Name, b.UpdatedAt = name, s.now()
		return nil
	})
	if refusal != nil {
		return nil, refusal
	}
	if err != nil {
		return nil, fmt.Errorf("rename account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountUpdated, AccountID: id, Provider: a.Owner, Reason: "name"})
	return a, nil
}

func (s *Service) renamable(a *Account) error {
	if a.State == Disabled {
		return fault.New(fault.Forbidden, disabledSentence).WithReason(refusedDisabled)
	}
	if _, ok := a.Local(); ok {
		return nil
	}
	where := a.Owner
	if info, ok := s.providerInfo(a); ok {
		where = info.Name
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Your name comes from %s and is changed there.", where)).WithReason(resetAtProvider)
}
