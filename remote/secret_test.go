package remote_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"ncloudfs/remote"
)

const secret = "s3cr3t-k3y-0123456789"

// wantNoSecret fails when text holds the secret in any of the ways fmt has.
func wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", []byte(secret)), secret[:8]} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the secret: %s", what, text)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	keys := remote.Credentials{AccessKey: "AK", SecretKey: secret}
	options := remote.Options{Credentials: keys}
	c, err := remote.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{keys.SecretKey, &keys.SecretKey, keys, &keys, options, &options, c, []any{keys}, map[string]any{"k": options}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%t", "%10.3s", "%U", "%c", "%b"} {
			wantNoSecret(t, verb, fmt.Sprintf(verb, v))
		}
		wantNoSecret(t, "Sprint", fmt.Sprint(v))
	}
	for _, v := range []any{keys.SecretKey, keys, map[string]any{"k": keys}} {
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		wantNoSecret(t, "JSON", string(asJSON))
	}
	asXML, err := xml.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "XML", string(asXML))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "secret", keys.SecretKey, "keys", keys, "options", options.Credentials, "client", c)
	}
	wantNoSecret(t, "log", log.String())
	equal(t, "Reveal", keys.SecretKey.Reveal(), secret)
	equal(t, "an empty one", fmt.Sprint(remote.Secret("")), "")
}

// Errors and log records of refused and retried calls carry no secret.
func TestErrorsAndLogsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c, _ := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
			switch n % 3 {
			case 0:
				return nil, errors.New("connection reset")
			case 1:
				return refusal(r, 500, "InternalError"), nil
			}
			return refusal(r, 403, "SignatureDoesNotMatch"), nil
		}, func(o *remote.Options) {
			o.Credentials.SecretKey = secret
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		_, err := c.Head(t.Context(), remote.Path{Bucket: "b", Key: "k"})
		if log.Len() == 0 || err == nil {
			t.Errorf("log %q, error %v", log.String(), err)
		}
		wantNoSecret(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
		wantNoSecret(t, "log", log.String())
	})
}
