package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const (
	issuer   = "countersign"
	audience = "countersign"
	leeway   = 30 * time.Second

	keysFresh = 10 * time.Minute // how long the server lets its key set be kept
	keysKept  = 24 * time.Hour   // and how long, while it cannot be asked
	keysPause = 30 * time.Second // between two questions, whatever the tokens name
)

var (
	errNoKeys = errors.New("the key set cannot be fetched")
	bearer    = regexp.MustCompile(`^(?i:bearer) +(\S+)$`)
)

// Caller is what a good token says of who sent it.
type Caller struct {
	jwt.RegisteredClaims
	Session string   `json:"sid"`
	Name    *string  `json:"name"`
	Roles   []string `json:"roles"`
}

// Valid is asked by jwt, whose own check would take a token without any of these.
func (c *Caller) Valid() error {
	now := time.Now()
	switch {
	case !c.VerifyExpiresAt(now.Add(-leeway), true):
		return errors.New("the token has expired")
	case !c.VerifyNotBefore(now.Add(leeway), false):
		return errors.New("the token is not valid yet")
	case !c.VerifyIssuer(issuer, true):
		return errors.New("the token is of another issuer")
	case !c.VerifyAudience(audience, true):
		return errors.New("the token is for another audience")
	case c.Subject == "" || c.Session == "":
		return errors.New("the token is about nobody")
	}
	return nil
}

// Has tells whether the caller has this role. Everybody has "user".
func (c *Caller) Has(role string) bool {
	for _, has := range c.Roles {
		if has == role {
			return true
		}
	}
	return false
}

// Guard lets nobody through without a good token.
type Guard struct {
	parser *jwt.Parser
	key    func(kid string) (interface{}, error)
}

// BySecret is for HS256. The secret is the bytes of the server's file without the newline at its end.
func BySecret(secret []byte) (*Guard, error) {
	if len(secret) < 32 {
		return nil, errors.New("the secret has less than 32 bytes")
	}
	key := func(string) (interface{}, error) { return secret, nil }
	return &Guard{jwt.NewParser(jwt.WithValidMethods([]string{"HS256"})), key}, nil
}

// ByKeySet is for ES256: the public key that the token names, from this address.
func ByKeySet(address string) *Guard {
	set := &keySet{address: address, client: http.Client{
		Timeout: 5 * time.Second,
		// The keys are at this address, or they are not the keys.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	key := func(kid string) (interface{}, error) { return set.key(kid) }
	return &Guard{jwt.NewParser(jwt.WithValidMethods([]string{"ES256"})), key}
}

type contextKey struct{}

// CallerOf returns who sent a request that a Guard has let through.
func CallerOf(r *http.Request) *Caller {
	return r.Context().Value(contextKey{}).(*Caller)
}

// Protect puts the guard in front of a handler.
func (g *Guard) Protect(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization")) > 1 {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_request"`)
			refuse(w, http.StatusBadRequest, "more than one Authorization header")
			return
		}
		found := bearer.FindStringSubmatch(r.Header.Get("Authorization"))
		if found == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "this wants a token")
			return
		}
		caller, err := g.verify(found[1])
		if errors.Is(err, errNoKeys) {
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, errNoKeys.Error())
			return
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			refuse(w, http.StatusUnauthorized, err.Error())
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, caller)))
	})
}

func (g *Guard) verify(token string) (*Caller, error) {
	// One of 8 KiB is refused by the server too; jwt 4.4 cuts one of dots into as many parts as it has.
	if len(token) > 8<<10 {
		return nil, errors.New("the token is too long")
	}
	caller := new(Caller)
	_, err := g.parser.ParseWithClaims(token, caller, func(token *jwt.Token) (interface{}, error) {
		// Of these jwt knows nothing.
		if _, there := token.Header["crit"]; there || token.Header["typ"] != "JWT" {
			return nil, errors.New("the token is of another kind")
		}
		kid, _ := token.Header["kid"].(string)
		return g.key(kid)
	})
	if err != nil {
		return nil, err
	}
	return caller, nil
}

// keySet is the public keys of the server, fetched when they are wanted.
type keySet struct {
	address string
	client  http.Client

	fetching sync.Mutex // held while the server is asked; others wait for the answer
	asked    time.Time

	mutex   sync.RWMutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

// known returns a key of a set that is not older than this, or nil.
func (s *keySet) known(kid string, age time.Duration) *ecdsa.PublicKey {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	if time.Since(s.fetched) > age {
		return nil
	}
	return s.keys[kid]
}

// key returns the key of this name, and asks the server when there is none: its keys may have been rotated.
func (s *keySet) key(kid string) (*ecdsa.PublicKey, error) {
	if key := s.known(kid, keysFresh); key != nil {
		return key, nil
	}
	s.fetching.Lock()
	defer s.fetching.Unlock()
	if time.Since(s.asked) >= keysPause {
		s.asked = time.Now()
		if keys, err := s.fetch(); err == nil {
			s.mutex.Lock()
			s.keys, s.fetched = keys, time.Now()
			s.mutex.Unlock()
		}
	}
	if key := s.known(kid, keysKept); key != nil {
		return key, nil
	}
	if time.Since(s.fetched) > keysFresh {
		return nil, errNoKeys
	}
	return nil, errors.New("the token names no known key")
}

func (s *keySet) fetch() (map[string]*ecdsa.PublicKey, error) {
	answer, err := s.client.Get(s.address)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the key set is answered with %s", answer.Status)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&set); err != nil {
		return nil, err
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, each := range set.Keys {
		// While one algorithm follows another there are keys of both.
		if key := each.es256(); key != nil && each.Kid != "" {
			keys[each.Kid] = key
		}
	}
	return keys, nil
}

type jwk struct {
	Kty, Crv, Alg, Use, Kid, X, Y string
}

// es256 returns the public key, or nil if it is none for ES256.
func (k jwk) es256() *ecdsa.PublicKey {
	if k.Kty != "EC" || k.Crv != "P-256" || (k.Alg != "" && k.Alg != "ES256") || (k.Use != "" && k.Use != "sig") {
		return nil
	}
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil
	}
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	if !key.Curve.IsOnCurve(key.X, key.Y) {
		return nil
	}
	return key
}
