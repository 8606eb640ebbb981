module posts

go 1.19

require github.com/golang-jwt/jwt/v4 v4.4.3

// As Debian has it. Elsewhere: go mod edit -dropreplace github.com/golang-jwt/jwt/v4 && go mod tidy
replace github.com/golang-jwt/jwt/v4 => /usr/share/gocode/src/github.com/golang-jwt/jwt
