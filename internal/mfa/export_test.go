package mfa

import (
	"time"
)

// Code is the RFC 6238 code of a moment, with as many digits as the vectors have.
func Code(secret []byte, at time.Time, digits int) string {
	return totpCode(secret, at.Unix()/totpPeriod, digits)
}

// Fill fills a template of an SMS gateway as a Content-Type asks for.
func Fill(template, contentType, number, code string) string {
	return fill(template, number, code, escaper(contentType, template))
}

// PhoneNumber is phoneNumber.
func PhoneNumber(typed string) (string, bool) { return phoneNumber(typed) }

// CanonicalRecovery is canonicalRecovery.
func CanonicalRecovery(typed string) (string, bool) { return canonicalRecovery(typed) }
