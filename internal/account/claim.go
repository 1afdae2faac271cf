package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Why somebody may not take over the account that has their address, for the audit trail.
const (
	refusedUnverified  = "link_unverified"
	refusedDomain      = "link_foreign_domain"
	refusedOtherOwner  = "link_other_owner"
	refusedSeveral     = "link_several"
	reasonBesideLocal  = "two_accounts"
	titleNotConnected  = "Your account is not connected yet"
	askToConnect       = "Please ask your CRM support to connect it, and give them the reference below."
	keyBesideLocalMail = "beside-mail"
)

// namesakes are the accounts that have one address.
type namesakes struct {
	local *Account
	// others belong to other providers than the one that is asked about, again to that one itself, whose address was given away anew.
	others, again []*Account
}

// any reports whether somebody has the address whose account could be meant. A former holder of the address at the same provider is
// somebody else: the provider says so by another subject.
func (n namesakes) any() bool { return n.local != nil || len(n.others) > 0 }

// sameAddress finds the accounts with an address, as a provider sees them.
func (s *Service) sameAddress(ctx context.Context, address, provider string) (n namesakes, err error) {
	all, err := s.withAddress(ctx, address)
	for _, a := range all {
		switch a.Owner {
		case OwnerLocal:
			n.local = a
		case provider:
			n.again = append(n.again, a)
		default:
			n.others = append(n.others, a)
		}
	}
	return n, err
}

// mayClaim decides whether an identity may take over the one local account that has its address (contract, behaviour 13). Everything
// that is not certain is refused and recorded: a second account beside the first would be the silent answer, and the wrong account the worst.
func (s *Service) mayClaim(ctx context.Context, info identity.Info, id identity.Identity, who profile, same namesakes) error {
	refuse := func(reason, sentence string) *fault.Error {
		of := same.local
		if of == nil {
			of = same.others[0]
		}
		s.record(ctx, audit.Event{Kind: audit.SignInRefused, AccountID: of.ID, Provider: info.ID, Reason: reason,
			Detail: cut("asked for by "+who.email+", subject "+oneLine(id.Subject), maxIdentifier)})
		return fault.New(fault.Forbidden, sentence).WithTitle(titleNotConnected).WithReason(reason).WithNext(fault.NextHelp)
	}
	domain, _ := identity.Domain(who.email)
	switch {
	case !id.EmailVerified:
		return refuse(refusedUnverified, "There is an account with the address "+who.email+" here, and "+info.Name+
			" has not confirmed that the address is yours. "+askToConnect)
	case !s.speaksFor(info, who.email, domain):
		return refuse(refusedDomain, "There is an account with the address "+who.email+" here, and "+info.Name+
			" does not decide about addresses of "+domain+". "+askToConnect)
	case len(same.others)+len(same.again) > 0 && same.local != nil, len(same.others) > 1:
		return refuse(refusedSeveral, "Several accounts here have the address "+who.email+", so it is not clear which one is yours. Please ask your CRM support to sort it out, and give them the reference below.")
	case same.local == nil:
		name := "another provider"
		if other, ok := s.providerInfo(same.others[0]); ok {
			name = other.Name
		}
		return refuse(refusedOtherOwner, "The account with your address "+who.email+" signs in with "+name+", not with "+info.Name+
			". Sign in with "+name+", or ask your CRM support to change it, and give them the reference below.").
			WithNext(fault.Next{Label: "Sign in another way", Path: "/sign-in?switch=1"})
	case same.local.State == Disabled:
		return s.refuse(ctx, id, same.local.ID, refusedDisabled, disabledSentence)
	}
	return nil
}

// speaksFor reports whether a provider's word about an address counts: the domain is on its list, or it has no list, and no other provider
// has the address.
func (s *Service) speaksFor(info identity.Info, address, domain string) bool {
	own := info.Trust.OwnsDomains
	if domain == "" || len(own) > 0 && !slices.ContainsFunc(own, func(d string) bool { return strings.EqualFold(d, domain) }) {
		return false
	}
	owner, ok := s.Realms.Find(address)
	return !ok || owner.Info().ID == info.ID
}

// adopt hands a local account to the provider. Whoever was signed in with the local password is signed out: the person who owns
// the address is here now.
func (s *Service) adopt(ctx context.Context, a *Account, info identity.Info, link Link) (*Account, error) {
	if err := s.Sessions.EndAccount(ctx, a.ID, ""); err != nil {
		return nil, fmt.Errorf("end sessions before adoption: %w", err)
	}
	adopted, err := s.Store.AdoptAccount(ctx, a.ID, link)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.Conflict, "The account has just been deleted.", err)
	}
	if err != nil {
		return nil, fmt.Errorf("adopt account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountUpdated, AccountID: a.ID, Provider: info.ID, Reason: "adopted"})
	s.notify(ctx, a, mailAdopted, AdoptedMail{About: s.about(ctx, a, ""), Provider: info.Name})
	// Again, for a local sign-in that was under way.
	if err := s.Sessions.EndAccount(ctx, a.ID, ""); err != nil {
		return nil, fmt.Errorf("end sessions after adoption: %w", err)
	}
	return adopted, nil
}

// tellOfTwo says that somebody has a corporate account beside a local one now. They stay apart, because the configuration says that an
// address is no proof (link_by_email), but neither the person nor an administrator should find out by missing data.
func (s *Service) tellOfTwo(ctx context.Context, fresh, local *Account, info identity.Info) {
	s.record(ctx, audit.Event{Kind: audit.AccountUpdated, AccountID: local.ID, Provider: info.ID, Reason: reasonBesideLocal,
		Detail: "account " + fresh.ID + " of " + info.ID + " has the same address; link_by_email of " + info.ID + " is never"})
	s.log().WarnContext(ctx, "somebody has a local and a corporate account with one address", "local", local.ID, "corporate", fresh.ID, "provider", info.ID,
		"reference", audit.OriginOf(ctx).Reference)
	if local.State == Disabled {
		return
	}
	if calm, err := s.mayMail(ctx, keyBesideLocalMail, local); err != nil || !calm {
		return // a provider can have any number of people who say that they have one address
	}
	s.notify(ctx, local, mailBeside, BesideMail{About: s.about(ctx, local, ""), Provider: info.Name})
}
