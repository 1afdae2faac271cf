package storetest

import "testing"

// What tests of rules stand on keeps the same promises as the databases.
func TestMemory(t *testing.T) {
	m := NewMemory()
	t.Run("Factors", func(t *testing.T) { Factors(t, m) })
	t.Run("Pending", func(t *testing.T) { Pending(t, m) })
	t.Run("Once", func(t *testing.T) { Once(t, m) })
	t.Run("Throttle", func(t *testing.T) { Throttle(t, m) })
	t.Run("Sessions", func(t *testing.T) { Sessions(t, m) })
}
