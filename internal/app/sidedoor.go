package app

import (
	"context"
	"fmt"
	"net/http"

	"crmgate/internal/proxy"
)

// sideDoor asks the CRM as somebody would who goes around the gateway: without its certificate and its secret header. An answer that
// is no refusal is an error.
func sideDoor(cfg proxy.Config, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, err := proxy.Stranger(ctx, cfg, address)
		if err != nil {
			return nil // no connection, or none without a certificate; whether it answers at all another probe says
		}
		switch status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest,
			495, 496: // nginx: a wrong or a missing client certificate
			return nil
		}
		return fmt.Errorf("answers (status %d) whoever asks it directly, without the gateway", status)
	}
}
