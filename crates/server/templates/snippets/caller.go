// Who is calling? The token says it, and the key alone shows that it is true.
//
// Protect(handler) lets nobody through without a good token; CallerOf(request) says in the handler who it is. Takes
// github.com/golang-jwt/jwt/v4.
package main

import (
{%- if api.secret_file.is_some() %}
	"bytes"
{%- endif %}
	"context"
{%- if api.is_ec() %}
	"crypto/ecdsa"
{%- endif %}
{%- if api.is_ed() %}
	"crypto/ed25519"
{%- endif %}
{%- if api.is_ec() %}
	"crypto/elliptic"
{%- endif %}
{%- if api.is_rsa() %}
	"crypto/rsa"
{%- endif %}
{%- if api.secret_file.is_none() %}
	"encoding/base64"
	"encoding/json"
{%- endif %}
	"errors"
{%- if api.secret_file.is_none() %}
	"io"
{%- endif %}
{%- if api.is_ec() || api.is_rsa() %}
	"math/big"
{%- endif %}
	"net/http"
{%- if api.secret_file.is_some() %}
	"os"
{%- endif %}
	"regexp"
{%- if api.secret_file.is_none() %}
	"sync"
{%- endif %}
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const leeway = {{ api.leeway }} * time.Second

var (
	bearer = regexp.MustCompile(`^(?i:bearer) +(\S+)$`)
	// Always named here, never taken from the token.
	parser = jwt.NewParser(jwt.WithValidMethods([]string{"{{ api.algorithm }}"}))
	noKeys = errors.New("the key cannot be had")
)

// Caller is what a good token says of who sent it.
type Caller struct {
	jwt.RegisteredClaims
	Session string   `json:"sid"`
	Name    string   `json:"name"`
	Roles   []string `json:"roles"`
}

// Valid is asked by jwt, whose own check would take a token without any of these.
func (c *Caller) Valid() error {
	now := time.Now()
	if !c.VerifyExpiresAt(now.Add(-leeway), true) || !c.VerifyNotBefore(now.Add(leeway), false) {
		return errors.New("the token has expired, or is not valid yet")
	}
	if !c.VerifyIssuer({{ api.issuer.quoted() }}, true) || !c.VerifyAudience({{ api.audience.quoted() }}, true) {
		return errors.New("the token is of another issuer, or for another audience")
	}
	if c.Subject == "" || c.Session == "" {
		return errors.New("the token is about nobody")
	}
	return nil
}

type callerKey struct{}

// CallerOf returns who sent a request that Protect has let through.
func CallerOf(r *http.Request) *Caller { return r.Context().Value(callerKey{}).(*Caller) }

// Protect puts the check in front of a handler.
func Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization")) > 1 {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_request"`)
			http.Error(w, "more than one Authorization header", http.StatusBadRequest)
			return
		}
		found := bearer.FindStringSubmatch(r.Header.Get("Authorization"))
		if found == nil || len(found[1]) > 8<<10 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "this wants a token", http.StatusUnauthorized)
			return
		}
		caller := new(Caller)
		_, err := parser.ParseWithClaims(found[1], caller, key)
		if errors.Is(err, noKeys) {
			w.Header().Set("Retry-After", "5")
			http.Error(w, noKeys.Error(), http.StatusServiceUnavailable)
			return
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}
{% if let Some(file) = api.secret_file %}
// key is the server's own secret: whoever has it can also make tokens. It is the bytes of the file without the newline at
// its end.
func key(token *jwt.Token) (interface{}, error) {
	if _, there := token.Header["crit"]; there || token.Header["typ"] != {{ api.typ.quoted() }} {
		return nil, errors.New("the token is of another kind")
	}
	secret, err := os.ReadFile({{ file.quoted() }})
	if err != nil || len(secret) < 32 {
		return nil, noKeys
	}
	return bytes.TrimSuffix(secret, []byte("\n")), nil
}
{%- else %}
var (
	mutex        sync.Mutex
	keys         map[string]interface{}
	fetched, try time.Time
	client       = http.Client{Timeout: 5 * time.Second}
)

// key returns the public key that the token names. The server may rotate its keys: they are kept for ten minutes, and for a
// day while it cannot be asked; for a name that is not among them it is asked every ten seconds at most.
func key(token *jwt.Token) (interface{}, error) {
	if _, there := token.Header["crit"]; there || token.Header["typ"] != {{ api.typ.quoted() }} {
		return nil, errors.New("the token is of another kind")
	}
	kid, _ := token.Header["kid"].(string)
	mutex.Lock()
	defer mutex.Unlock()
	if (keys[kid] == nil || time.Since(fetched) > 10*time.Minute) && time.Since(try) > 10*time.Second {
		try = time.Now()
		if set, err := fetch(); err == nil {
			keys, fetched = set, try
		}
	}
	if time.Since(fetched) > 24*time.Hour {
		return nil, noKeys
	}
	if keys[kid] == nil {
		return nil, errors.New("the token names no known key")
	}
	return keys[kid], nil
}

func fetch() (map[string]interface{}, error) {
	answer, err := client.Get({{ api.key_set.quoted() }})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	var set struct {
		Keys []struct{ Kty, Crv, Alg, Kid, X, Y, N, E string }
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<18)).Decode(&set); err != nil {
		return nil, err
	}
	found := make(map[string]interface{})
	for _, each := range set.Keys {
		// While one algorithm follows another there are keys of both.
{%- if api.is_ec() %}
		x, errX := base64.RawURLEncoding.DecodeString(each.X)
		y, errY := base64.RawURLEncoding.DecodeString(each.Y)
		if each.Kty != "EC" || each.Crv != "{{ api.curve() }}" || each.Kid == "" || errX != nil || errY != nil {
			continue
		}
		key := &ecdsa.PublicKey{Curve: elliptic.{{ api.go_curve() }}(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if key.Curve.IsOnCurve(key.X, key.Y) {
			found[each.Kid] = key
		}
{%- endif %}
{%- if api.is_ed() %}
		x, err := base64.RawURLEncoding.DecodeString(each.X)
		if each.Kty == "OKP" && each.Crv == "Ed25519" && each.Kid != "" && err == nil && len(x) == ed25519.PublicKeySize {
			found[each.Kid] = ed25519.PublicKey(x)
		}
{%- endif %}
{%- if api.is_rsa() %}
		n, errN := base64.RawURLEncoding.DecodeString(each.N)
		e, errE := base64.RawURLEncoding.DecodeString(each.E)
		if each.Kty == "RSA" && each.Alg == "{{ api.algorithm }}" && each.Kid != "" && errN == nil && errE == nil && len(n) >= 256 && len(e) <= 4 {
			found[each.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		}
{%- endif %}
	}
	return found, nil
}
{%- endif %}
