package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Nginx starts nginx with the given content of its http block, which listens on addr. Files that the content names by a relative path are
// next to each other in dir.
func Nginx(t testing.TB, addr, dir, content string) {
	t.Helper()
	bin := program(t, "nginx", "apt-get install nginx")
	// One process, so that nothing changes its user. What Debian's nginx.conf sets and a site's file counts on is the MIME type alone.
	conf := write(t, dir, "nginx.conf", fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
	access_log off;
	default_type application/octet-stream;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
%[2]s
}
`, dir, content))
	s := &server{
		name: "nginx", argv: []string{bin, "-p", dir, "-e", "stderr", "-c", conf},
		log: filepath.Join(dir, "nginx.log"), ready: listens(addr),
	}
	s.keep(t)
}

// Caddy starts Caddy with a Caddyfile whose site listens on addr; environment is added to its own.
func Caddy(t testing.TB, addr, dir, caddyfile string, environment ...string) {
	t.Helper()
	bin := program(t, "caddy", "apt-get install caddy")
	conf := write(t, dir, "Caddyfile", caddyfile)
	s := &server{
		name: "caddy", argv: []string{bin, "run", "--adapter", "caddyfile", "--config", conf},
		env: append(environment, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir),
		log: filepath.Join(dir, "caddy.log"), ready: listens(addr),
	}
	s.keep(t)
}

// HAProxy starts HAProxy with a configuration whose frontend listens on addr; environment is added to its own.
func HAProxy(t testing.TB, addr, dir, configuration string, environment ...string) {
	t.Helper()
	bin := program(t, "haproxy", "apt-get install haproxy")
	conf := write(t, dir, "haproxy.cfg", configuration)
	s := &server{
		name: "haproxy", argv: []string{bin, "-db", "-f", conf}, env: environment,
		log: filepath.Join(dir, "haproxy.log"), ready: listens(addr),
	}
	s.keep(t)
}

// PHPFPM starts PHP's FastCGI server and returns its address.
func PHPFPM(t testing.TB) (addr string) {
	t.Helper()
	// Debian's name has the version in it.
	found, err := filepath.Glob("/usr/sbin/php-fpm*")
	if err != nil || len(found) == 0 {
		missing(t, "php-fpm", "apt-get install php-fpm")
	}
	dir := t.TempDir()
	addr = Addr(t)
	argv := []string{found[len(found)-1], "--nodaemonize", "--fpm-config"}
	pool, owner := fmt.Sprintf("[global]\nerror_log = /dev/stderr\n[crm]\nlisten = %s\npm = static\npm.max_children = 2\n", addr), ""
	if os.Geteuid() == 0 {
		owner = "user = root\ngroup = root\n"
	}
	argv = append(argv, write(t, dir, "fpm.conf", pool+owner))
	if owner != "" {
		argv = append(argv, "--allow-to-run-as-root")
	}
	s := &server{name: "php-fpm", argv: argv, log: filepath.Join(dir, "log"), ready: listens(addr)}
	s.keep(t)
	return addr
}

func write(t testing.TB, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return path
}
