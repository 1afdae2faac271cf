package mfa

// Shown reports whether a provider's amr (RFC 8176) shows two kinds of proof: "mfa" itself, or methods of two kinds among knowing, having
// and being. One strong method alone shows one: what it was opened with is not said. Nothing said is nothing shown (ASVS 6.8.4).
func Shown(amr []string) bool {
	var knows, has, is bool
	for _, m := range amr {
		switch m {
		case "mfa", "ngcmfa": // the second is Entra's word for Windows Hello
			return true
		case "pwd", "pin", "kba":
			knows = true
		case "otp", "hwk", "swk", "sc", "sms", "tel", "pop":
			has = true
		case "fpt", "face", "iris", "retina", "vbm":
			is = true
		}
	}
	return knows && has || knows && is || has && is
}
