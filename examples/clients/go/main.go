// Posts, for whoever is signed in at Countersign. Of users and passwords this program knows nothing.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type draft struct {
	Title   *string `json:"title"`
	Content *string `json:"content"`
}

type post struct {
	ID         string  `json:"id"`
	Title      string  `json:"title"`
	Content    string  `json:"content"`
	AuthorID   string  `json:"author_id"`
	AuthorName *string `json:"author_name"`
}

type posts struct {
	mutex sync.Mutex
	all   []post
}

func (p *posts) list(w http.ResponseWriter, r *http.Request) {
	p.mutex.Lock()
	all := append([]post{}, p.all...)
	p.mutex.Unlock()
	answer(w, http.StatusOK, "application/json", all)
}

func (p *posts) write(w http.ResponseWriter, r *http.Request) {
	var sent draft
	body := http.MaxBytesReader(w, r.Body, 64<<10)
	if err := json.NewDecoder(body).Decode(&sent); err != nil || sent.Title == nil || sent.Content == nil {
		refuse(w, http.StatusUnprocessableEntity, "title and content are texts")
		return
	}
	// Subject is the stable id of the account; Name is not there when it has none.
	caller := CallerOf(r)
	made := post{newID(), *sent.Title, *sent.Content, caller.Subject, caller.Name}
	p.mutex.Lock()
	p.all = append(p.all, made)
	p.mutex.Unlock()
	answer(w, http.StatusCreated, "application/json", made)
}

func (p *posts) remove(w http.ResponseWriter, r *http.Request, id string) {
	caller := CallerOf(r)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for at, each := range p.all {
		if each.ID != id {
			continue
		}
		if each.AuthorID != caller.Subject && !caller.Has("admin") {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
			refuse(w, http.StatusForbidden, "only its author or an admin may remove a post")
			return
		}
		p.all = append(p.all[:at], p.all[at+1:]...)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	refuse(w, http.StatusNotFound, "there is no such post")
}

func (p *posts) route(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/posts/")
	switch {
	case r.URL.Path == "/posts" && r.Method == http.MethodGet:
		p.list(w, r)
	case r.URL.Path == "/posts" && r.Method == http.MethodPost:
		p.write(w, r)
	case id != r.URL.Path && r.Method == http.MethodDelete:
		p.remove(w, r, id)
	case id == r.URL.Path:
		w.Header().Set("Allow", "GET, POST")
		refuse(w, http.StatusMethodNotAllowed, "this is read with GET and written with POST")
	default:
		w.Header().Set("Allow", "DELETE")
		refuse(w, http.StatusMethodNotAllowed, "a post can be removed")
	}
}

// answer sends a value as JSON.
func answer(w http.ResponseWriter, status int, kind string, value interface{}) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		status = http.StatusInternalServerError
		text.Reset()
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(text.Bytes())
}

// refuse says what is wrong, as RFC 9457 has it.
func refuse(w http.ResponseWriter, status int, detail string) {
	answer(w, status, "application/problem+json", map[string]interface{}{"status": status, "detail": detail})
}

// newID makes a UUID of random bits.
func newID() string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		log.Fatal(err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// guard is HS256 where there is a SECRET_FILE, and else ES256 by the key set of AUTH_SERVER.
func guard() (*Guard, error) {
	file := os.Getenv("SECRET_FILE")
	if file == "" {
		return ByKeySet(variable("AUTH_SERVER", "http://127.0.0.1:8000") + "/.well-known/jwks.json"), nil
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return BySecret(bytes.TrimSuffix(secret, []byte("\n")))
}

func main() {
	guard, err := guard()
	if err != nil {
		log.Fatal(err)
	}
	routes := http.NewServeMux()
	all := new(posts)
	routes.Handle("/posts", guard.Protect(all.route))
	routes.Handle("/posts/", guard.Protect(all.route))
	listener, err := net.Listen("tcp", "127.0.0.1:"+variable("PORT", "8001"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := http.Server{
		Handler:           routes,
		MaxHeaderBytes:    16 << 10,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
	}
	log.Fatal(server.Serve(listener))
}
