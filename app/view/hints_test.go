package view

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A hint that the doctor learns needs words here: this reads the source of what
// its checks say, and says each of it with values in the holes.
func TestEachHintOfTheDoctorHasWords(t *testing.T) {
	ja, japanese := TextsIn(Japanese), regexp.MustCompile(`\p{Hiragana}`)
	// What may stay: commands, and what programs are called.
	english := regexp.MustCompile(`[a-z]+ [a-z]+ [a-z]+`)
	command := regexp.MustCompile(`(keyporter|gcloud|openssl) [!-~ ]+`)
	for _, from := range []struct {
		folder, files string
		least         int
	}{
		{"broker", "doctor*.go", 70},
		{"broker", "access.go", 20},
		{"broker", "look.go", 10},
		{"broker/claims", "*.go", 50},
		{"broker/vault", "*.go", 50},
		{"internal/hint", "*.go", 4},

		// What the checks pass on.
		{"broker", "record*.go", 10},
		{"broker", "way.go", 8},
		{"broker/oauth", "*.go", 30},
		{"broker/source/authcode", "*.go", 60},
		{"broker/source/google", "refusal.go", 15},
		{"broker/source/google", "apierror.go", 20},
		{"broker/token", "*.go", 6},
		{"broker/config", "*.go", 6},
		{"broker/install", "file.go", 10},
		{"bridge", "failure.go", 8},
		{"bridge", "status.go", 15},
		{"bridge", "establish.go", 2},
		{"internal/network", "*.go", 15},
		{"internal/atomicfile", "*.go", 8},
	} {
		found := 0
		for _, h := range hintsOf(t, from.folder, from.files) {
			if !hasWords(h.text) {
				continue
			}
			found++
			sample, holes := h.text, strings.Count(h.text, hole)
			for n := range holes {
				sample = strings.Replace(sample, hole, fmt.Sprintf("X%d.y", n), 1)
			}
			says, ok := ja.told(sample)
			if !ok || !japanese.MatchString(says) {
				t.Errorf("%s: %q has no Japanese words", h.where, sample)
				continue
			}
			for n := range holes {
				if !strings.Contains(says, fmt.Sprintf("X%d.y", n)) {
					t.Errorf("%s: %q loses X%d.y of %q", h.where, says, n, sample)
				}
			}
			if rest := english.FindString(command.ReplaceAllString(says, "")); rest != "" {
				t.Errorf("%s: %q is left in %q", h.where, rest, says)
			}
			if strings.HasSuffix(sample, ".") && strings.HasSuffix(says, ".") {
				t.Errorf("%s: %q ends in English", h.where, says)
			}
		}
		if found < from.least {
			t.Errorf("only %d hints were found in %s/%s: the test looks for them in the wrong places", found, from.folder, from.files)
		}
	}
}

// What the doctor says of broken worlds, with real values in it, is in a file that
// broker's tests keep.
func TestProblemsOfBrokenWorldsAreToldInJapanese(t *testing.T) {
	b, err := os.ReadFile("../../broker/testdata/problems.txt")
	if err != nil {
		t.Fatal(err)
	}
	ja, japanese := TextsIn(Japanese), regexp.MustCompile(`\p{Hiragana}`)
	said := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, text := range said {
		if says, ok := ja.told(text); !ok || !japanese.MatchString(says) {
			t.Errorf("%q is told as %q", text, says)
		}
	}
	if len(said) < 90 {
		t.Errorf("the file has only %d texts", len(said))
	}
}

func TestAClockThatIsOffIsToldInJapanese(t *testing.T) {
	says := TextsIn(Japanese).hint("This computer's clock is off by 12 minutes (behind Google's), so Google refuses the key's signature.")
	if want := "このコンピューターの時計がGoogleより12分遅れているため、Googleがキーの署名を拒否しています。"; says != want {
		t.Errorf("it is told as\n%q, want\n%q", says, want)
	}
}
