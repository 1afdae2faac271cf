package fakeidp

import "slices"

// SessionIDs returns the "sid" of each session of a person, found by e-mail or user name, in no particular order.
func (s *Server) SessionIDs(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findUser(name)
	if i < 0 {
		return nil
	}
	var sids []string
	for _, ss := range s.sessions {
		if ss.subject == s.users[i].Subject && !slices.Contains(sids, ss.id) {
			sids = append(sids, ss.id)
		}
	}
	return sids
}
