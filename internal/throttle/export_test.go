package throttle

// Clients returns how many clients are remembered, for tests.
func (l *Limiter) Clients() int {
	l.clients.CleanUp()
	return l.clients.EstimatedSize()
}

// MaxClients is the bound.
const MaxClients = maxClients
