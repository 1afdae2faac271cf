package audit

import "strings"

// Browser describes a user agent in plain words, such as "Firefox on Windows": enough for somebody to say whether it was
// theirs. What is not known is left out, and nothing of the text itself is repeated: strangers choose it.
func Browser(userAgent string) string {
	first := func(words [][2]string) string {
		for _, w := range words {
			if strings.Contains(userAgent, w[0]) {
				return w[1]
			}
		}
		return ""
	}
	// Each browser names those before it in its history as well; the youngest name is its own.
	program := first([][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"}, {"YaBrowser/", "Yandex Browser"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"Trident/", "Internet Explorer"},
		{"curl/", "a program (curl)"}, {"python-", "a program (Python)"}, {"Go-http-client", "a program (Go)"},
	})
	system := first([][2]string{
		{"iPhone", "an iPhone"}, {"iPad", "an iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Macintosh", "a Mac"}, {"Linux", "Linux"},
	})
	switch {
	case program != "" && system != "":
		return program + " on " + system
	case system != "":
		return "a browser on " + system
	}
	return program
}
