package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// classes is where the tables for each class of attacks are: package directory and test. The classes have the names that catalogues of
// what went wrong elsewhere give them.
var classes = map[string][]string{
	// Forged identity: names in every spelling, in trailers, by Connection, on every protocol, on public routes too.
	"HDR": {"gateway.TestForgedHeaders", "gateway.TestConnectionCannotNominateOurHeaders", "gateway.TestTrailers", "gateway.TestTrailersOfHTTP2", "gateway.TestNothingElseIsAdded", "gateway.TestHTTP2InFront",
		"gateway.FuzzHeadersLikeNetHTTP", "gateway.TestHeadersAsPHPReadsThem", "gateway.TestCookiesOnTheWire", "proxy.TestIdentityHeaders", "proxy.FuzzStrip"},
	// One address that two readers take for two.
	"PATH": {"gateway.TestPathsOnTheWire", "gateway.TestPathsRefused", "gateway.TestPathsAsIs", "gateway.TestPathsInAnyCase", "gateway.TestBrowsersAndWe", "gateway.TestMethodInTheQuery", "gateway.TestMethodOverrideAndAnotherReading",
		"gateway.FuzzAsIs", "gateway.FuzzPathsLikeNetHTTP", "gateway.TestPathsAsPHPReadsThem", "proxy.TestCanonical", "proxy.FuzzCanonical"},
	// Whom to believe about the client's address.
	"TRP": {"gateway.TestWhatTheCRMIsToldOfTheRequest", "middleware.TestClientAddress", "middleware.TestOriginOfTheRest", "middleware.TestParseProxies", "middleware.TestProxyProtocol", "middleware.FuzzProxyHeader", "middleware.TestASlowProxyHeaderHoldsUpNobody"},
	// Redirects that lead elsewhere.
	"RD": {"gateway.TestReturnAddresses", "app.TestCertificateFilesAreReloaded"},
	// Where a request ends, and what may be sent instead of one.
	"HTTP": {"middleware.TestFraming", "middleware.TestFramingIsRefused", "middleware.FuzzFraming", "gateway.TestFraming", "gateway.TestOtherUpgradesAreNotPassed", "gateway.TestExpectContinue", "gateway.TestHeadsOfHTTP2",
		"gateway.TestInformationalAnswers", "gateway.TestAnswersPassAsTheyAre", "gateway.TestHostileCRM", "gateway.TestBrokenAnswerIsCutOff", "gateway.TestABodyThatMayBeOverlooked",
		"gateway.TestTunnelPassesEveryByte", "gateway.TestGRPC", "wire.TestUnusual", "wire.TestBrokenBodies", "wire.TestInjection", "wire.FuzzAnswer", "app.TestBounds", "gateway.TestStreamsOverHTTP2"},
	// One person's session and another's.
	"SES": {"gateway.TestNobodyIsTakenForAnother", "gateway.TestLeftOverAnswer", "gateway.TestTheCRMsSessionFollowsOurs", "gateway.TestBoundCookiesOnTheWire", "gateway.TestCookiesAreCleared", "gateway.TestCrossSite",
		"gateway.TestWebSocket", "gateway.TestBearer", "gateway.TestStreamEndsWithItsToken", "proxy.TestWaitingEndsWithTheSession", "app.TestStreamsEndWithTheSession", "app.TestStreamsEndOnEveryReplica",
		"app.TestProviderTokens"},
	// The same decision for a proxy that asks.
	"FWD": {"gateway.TestForward", "gateway.TestForwardedAddressDoesNotChooseTheRuleOfARealRequest", "gateway.TestForwardReadsLikeTheRest",
		"gateway.TestForwardNames", "gateway.TestForwardTellsWhatCredentialsAreTheCRMs", "gateway.TestForwardTurnsAway", "app.TestFrontProxies"},
	// Too much, too long, too often.
	"DOS": {"gateway.TestHostileCRM", "gateway.TestGigabytesStreamInLittleMemory", "gateway.TestLargeBodiesStreamInLittleMemory", "gateway.TestUpstreamTrouble", "gateway.TestClientThatLeavesEndsTheRequest",
		"app.TestBounds", "gateway.TestPeopleAreBounded", "middleware.TestBodiesThatDoNotCome", "middleware.TestBodiesThatTrickle", "gateway.TestTunnelEnds", "gateway.TestTunnelsWaitInLittleMemory", "wire.TestHeadTimeout", "wire.TestHeadBounds", "app.TestShutDown"},
}

// TestEveryClassHasItsTests keeps the list above true.
func TestEveryClassHasItsTests(t *testing.T) {
	known := map[string]bool{}
	for _, pkg := range []string{"gateway", "proxy", "wire", "middleware", "app"} {
		files, err := filepath.Glob("../" + pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
					known[pkg+"."+fn.Name.Name] = true
				}
			}
		}
	}
	for _, class := range []string{"HDR", "PATH", "TRP", "RD", "HTTP", "SES", "FWD", "DOS"} {
		if len(classes[class]) == 0 {
			t.Errorf("%s has no test", class)
		}
		for _, name := range classes[class] {
			if !known[name] {
				t.Errorf("%s: there is no %s", class, name)
			}
		}
	}
}
