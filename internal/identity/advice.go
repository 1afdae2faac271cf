package identity

// Advice is what is known about an error code that a provider shows to people.
type Advice struct {
	// Code is the code as its maker writes it, such as "AADSTS50126". It is a known word or a prefix with digits, never what was typed.
	Code string
	// Kinds are the types of provider that use the code (Info.Kind); none where all do.
	Kinds []string
	// Vendor is whose code it is, for sentences.
	Vendor string
	// Title and Text explain it; "{name}" in them stands for the provider. Both are empty where only the maker is known.
	Title, Text string
	// Step is what helps.
	Step Step
	// ForIT is what an administrator mends; may be empty.
	ForIT string
	// MoreURL is the maker's own page about the code; may be empty.
	MoreURL string
}

// Step is the one thing that helps against a refusal.
type Step string

// The steps.
const (
	// StepAgain is to sign in again.
	StepAgain Step = "again"
	// StepSwitch is to sign in with another account.
	StepSwitch Step = "switch"
	// StepReset is to reset the password at the provider.
	StepReset Step = "reset"
	// StepChange is to change the password at the provider.
	StepChange Step = "change"
	// StepAsk is to ask somebody who looks after it.
	StepAsk Step = "ask"
)
