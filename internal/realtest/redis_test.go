package realtest_test

import (
	"testing"

	"github.com/redis/rueidis"

	"crmgate/internal/realtest"
)

func TestRedis(t *testing.T) {
	addr, password := realtest.Redis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := t.Context()
	if err := client.Do(ctx, client.B().Set().Key("k").Value("v").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Do(ctx, client.B().Get().Key("k").Build()).ToString(); err != nil || got != "v" {
		t.Errorf("GET k = %q, %v, want v", got, err)
	}
	if _, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, Password: "wrong"}); err == nil {
		t.Error("a wrong password was accepted")
	}
}
