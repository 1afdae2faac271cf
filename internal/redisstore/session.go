package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// record is session.Session as JSON. The compiler holds the two together: one converts to the other only while their fields
// are the same.
type record struct {
	ID                string        `json:"id"`
	SecretDigest      string        `json:"secret_digest"`
	Binding           string        `json:"binding,omitempty"`
	AccountID         string        `json:"account_id"`
	Email             string        `json:"email,omitempty"`
	EmailDoubtful     bool          `json:"email_doubtful,omitempty"`
	Name              string        `json:"name,omitempty"`
	Username          string        `json:"username,omitempty"`
	Groups            []string      `json:"groups,omitempty"`
	Provider          string        `json:"provider"`
	Issuer            string        `json:"issuer,omitempty"`
	Subject           string        `json:"subject,omitempty"`
	ProviderSession   string        `json:"provider_session,omitempty"`
	IDToken           string        `json:"id_token,omitempty"`
	AMR               []string      `json:"amr,omitempty"`
	Grant             string        `json:"grant,omitempty"`
	CheckedAt         time.Time     `json:"checked_at,omitzero"`
	CheckAfter        time.Time     `json:"check_after,omitzero"`
	UnansweredSince   time.Time     `json:"unanswered_since,omitzero"`
	FactorAt          time.Time     `json:"factor_at,omitzero"`
	Device            string        `json:"device,omitempty"`
	PasswordExpires   time.Time     `json:"password_expires,omitzero"`
	PasswordChangeURL string        `json:"password_change_url,omitempty"`
	LastSignIn        time.Time     `json:"last_sign_in,omitzero"`
	SignedInAt        time.Time     `json:"signed_in_at"`
	AuthTime          time.Time     `json:"auth_time,omitzero"`
	LastSeen          time.Time     `json:"-"` // in a field of its own, which a touch changes
	ExpiresAt         time.Time     `json:"expires_at"`
	IdleTimeout       time.Duration `json:"idle_timeout"`
	Address           string        `json:"address,omitempty"`
	UserAgent         string        `json:"user_agent,omitempty"`
	Remember          bool          `json:"remember,omitempty"`
}

func noSession() error { return fault.New(fault.NotFound, "There is no such session.") }

func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// CreateSession implements session.Store.
func (s *Store) CreateSession(ctx context.Context, one *session.Session) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	data, err := json.Marshal(record(*one))
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	made, err := s.scripts.create.Exec(ctx, s.client,
		[]string{sessionPrefix + one.ID, everybody},
		[]string{member(one), string(data), ms(one.LastSeen), ms(one.ExpiresAt), one.Issuer}).AsInt64()
	if err == nil && made == 0 {
		return fault.New(fault.Conflict, "This session exists already.")
	}
	return translate("create session", err)
}

// member is a session's entry in every index: "id|subject|sid|account". From it alone each script knows all the places where the session
// stands, also when the session has expired by itself. The account comes last because we do not know what is in it.
func member(one *session.Session) string {
	subject, sid := "", ""
	if one.Subject != "" {
		subject = digest(one.Provider, one.Subject)
	}
	if one.ProviderSession != "" {
		sid = digest(one.Provider, one.ProviderSession)
	}
	return strings.Join([]string{one.ID, subject, sid, one.AccountID}, "|")
}

// digest names what a provider calls something, in a length that does not depend on it.
func digest(provider, name string) string { return token.Digest(provider + "\x00" + name)[:32] }

// GetSession implements session.Store.
func (s *Store) GetSession(ctx context.Context, id string) (*session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return decode(s.client.Do(ctx, s.get(id)))
}

func (s *Store) get(id string) rueidis.Completed {
	return s.client.B().Hmget().Key(sessionPrefix+id).Field("data", "seen").Build()
}

// decode reads the answer to get.
func decode(answer rueidis.RedisResult) (*session.Session, error) {
	fields, err := answer.ToArray()
	if err != nil {
		return nil, translate("get session", err)
	}
	if len(fields) != 2 || fields[0].IsNil() || fields[1].IsNil() {
		return nil, noSession()
	}
	data, err := fields[0].AsBytes()
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	seen, err := fields[1].AsInt64()
	if err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("get session: %w", err)
	}
	r.LastSeen = time.UnixMilli(seen).UTC()
	one := session.Session(r)
	return &one, nil
}

// TouchSession implements session.Store.
func (s *Store) TouchSession(ctx context.Context, id string, seen time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	there, err := s.scripts.touch.Exec(ctx, s.client, []string{sessionPrefix + id}, []string{ms(seen)}).AsInt64()
	if err == nil && there == 0 {
		return noSession()
	}
	return translate("touch session", err)
}

// updateTries bounds how often an update starts anew because another one was faster.
const updateTries = 100

// UpdateSession implements session.Store. What was read is written only while it is still there unchanged.
func (s *Store) UpdateSession(ctx context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	return s.rewrite(ctx, "update session", id, change, func(ctx context.Context, before, after *session.Session, read, data string) rueidis.RedisResult {
		return s.scripts.update.Exec(ctx, s.client, []string{sessionPrefix + id}, []string{read, data})
	}, (*session.Session).Keep)
}

// RenewSession implements session.Store. What was read is replaced only while it is still there unchanged.
func (s *Store) RenewSession(ctx context.Context, id string, change func(*session.Session) error) (*session.Session, error) {
	return s.rewrite(ctx, "renew session", id, change, func(ctx context.Context, before, after *session.Session, read, data string) rueidis.RedisResult {
		return s.scripts.renew.Exec(ctx, s.client, []string{sessionPrefix + after.ID, everybody, sessionPrefix + id},
			[]string{member(after), data, ms(after.LastSeen), ms(after.ExpiresAt), after.Issuer, read, member(before)})
	}, (*session.Session).Renewed)
}

// rewrite reads a session, changes it and has it written, until nobody else was faster.
func (s *Store) rewrite(ctx context.Context, verb, id string, change func(*session.Session) error,
	put func(ctx context.Context, before, after *session.Session, read, data string) rueidis.RedisResult, keep func(after, before *session.Session),
) (*session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	for range updateTries {
		answer := s.client.Do(ctx, s.get(id))
		before, err := decode(answer)
		if err != nil {
			return nil, err
		}
		read, err := answer.AsStrSlice() // as it stands there: another release may have written it
		if err != nil {
			return nil, fmt.Errorf("%s: %w", verb, err)
		}
		after := *before
		after.Groups, after.AMR = slices.Clone(before.Groups), slices.Clone(before.AMR)
		if err := change(&after); err != nil {
			return nil, err
		}
		keep(&after, before)
		data, err := json.Marshal(record(after))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", verb, err)
		}
		done, err := put(ctx, before, &after, read[0], string(data)).AsInt64()
		if err != nil {
			return nil, translate(verb, err)
		}
		if done == 1 {
			return &after, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "The store of sign-ins is busy. Try again in a moment.")
}

// DeleteSession implements session.Store.
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return translate("delete session", s.scripts.remove.Exec(ctx, s.client, []string{sessionPrefix + id}, nil).Error())
}

// DeleteAccountSessions implements session.Store.
func (s *Store) DeleteAccountSessions(ctx context.Context, accountID, except string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	members, err := s.scripts.removeAll.Exec(ctx, s.client, []string{accountPrefix + accountID}, []string{except, ""}).AsStrSlice()
	var ids []string
	for _, m := range members {
		id, _, _ := strings.Cut(m, "|")
		ids = append(ids, id)
	}
	return ids, translate("delete sessions of account", err)
}

// DeleteProviderSessions implements session.Store.
func (s *Store) DeleteProviderSessions(ctx context.Context, provider, issuer, subject, sid string) ([]session.Ended, error) {
	var index string
	switch {
	case sid != "":
		index = sidPrefix + digest(provider, sid)
	case subject != "":
		index = subjectPrefix + digest(provider, subject)
	default:
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	members, err := s.scripts.removeAll.Exec(ctx, s.client, []string{index}, []string{"", issuer}).AsStrSlice()
	var ended []session.Ended
	for _, m := range members {
		if parts := strings.SplitN(m, "|", 4); len(parts) == 4 {
			ended = append(ended, session.Ended{ID: parts[0], AccountID: parts[3]})
		}
	}
	return ended, translate("delete sessions of provider", err)
}

// listBatch is how many sessions are asked for at once.
const listBatch = 500

// ListSessions implements session.Store.
func (s *Store) ListSessions(ctx context.Context, accountID string) ([]*session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	key := everybody
	if accountID != "" {
		key = accountPrefix + accountID
	}
	members, err := s.client.Do(ctx, s.client.B().Zrange().Key(key).Min("0").Max("-1").Build()).AsStrSlice()
	if err != nil {
		return nil, translate("list sessions", err)
	}
	var list []*session.Session
	for batch := range slices.Chunk(members, listBatch) {
		gets := make([]rueidis.Completed, len(batch))
		for i, member := range batch {
			id, _, _ := strings.Cut(member, "|")
			gets[i] = s.get(id)
		}
		for _, answer := range s.client.DoMulti(ctx, gets...) {
			one, err := decode(answer)
			if fault.Is(err, fault.NotFound) {
				continue // ended since, or expired by itself
			}
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *session.Session) int {
		return cmp.Or(b.SignedInAt.Compare(a.SignedInAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// SweepSessions implements session.Store. The sessions themselves expire without it; it clears the indexes.
func (s *Store) SweepSessions(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for {
		n, err := s.sweepBatch(ctx, now)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

func (s *Store) sweepBatch(ctx context.Context, now time.Time) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	n, err := s.scripts.sweep.Exec(ctx, s.client, []string{everybody}, []string{ms(now), strconv.Itoa(sweepBatch)}).AsInt64()
	return int(n), translate("sweep sessions", err)
}
