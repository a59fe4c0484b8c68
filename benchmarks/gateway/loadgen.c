// loadgen.c - single-threaded epoll load generator over TCP or a Unix socket.
//   cc -O2 -o loadgen loadgen.c
//   ./loadgen --target tcp:127.0.0.1:9100 | unix:/run/x.sock
//             --proto http|frame|mux|rpc   --body FILE   [--path /v1/chat/completions] [--header 'K: V']...
//             --conns 64 [--inflight 1] --secs 5 [--max N] [--rate R] [--expect STR] [--stream]
// http : HTTP/1.1 keep-alive, one request in flight per connection
// frame: [u32be n][n bytes] both ways, one in flight per connection
// mux  : [u32be n][u32be id][u8 flags][n-5 bytes] both ways, --inflight per connection, answers in
//        any order; reply flags: bit0 = last frame of this id, bit1 = error
// rpc  : JSON-RPC 2.0 as msgpack maps behind a length, --inflight per connection, answers in any order: the body is
//        the params of `route`, deltas are {jsonrpc, method: "delta", params: {id, ...}}, the last is {jsonrpc, id, result}
// --rate R: open loop, R requests/s on a fixed schedule; latency then counts from the scheduled time
//           (no coordinated omission). Without it: closed loop.
// Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HTTP, FRAME, MUX, RPC };
typedef struct { uint64_t t0, tfirst; int live, events; } slot;
typedef struct conn {
  int fd, connecting, want_out, live; char *in; size_t n, cap; char *out; size_t on, ooff, ocap;
  slot *s; int *freel; int nfree;
  // http response state
  int st, status, chunked; long left; char tail; int found; size_t scan;
} conn;
static int proto = HTTP, inflight = 1, want_stream; static char *expect_s; static size_t expect_n;
static char *req; static size_t req_n; static char target[512]; static int ep; static conn *cs; static int nconns = 1;
static uint64_t done, errs, non2xx, badbody, sse, connects, issued, maxreq; static uint32_t *lat, *ttf; static size_t nlat, caplat, nttf, capttf;
static double rate; static uint64_t t_start, t_end; static int stopping; static int status_seen[600];
static int *idle_conn; // stack of connections with a free slot (open loop); may hold duplicates
static size_t idle_n, idle_cap;

// {"id": uint32, "method": "route", "params": the body}
static const char RPC_HEAD[] = "\x83\xa2id\xce\0\0\0\0\xa6method\xa5route\xa6params";
enum { RPC_ID_AT = 5 };

static uint64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static void push(uint32_t **a, size_t *n, size_t *cap, uint64_t v) { if (*n == *cap) { *cap = *cap ? *cap * 2 : 1 << 16; *a = realloc(*a, *cap * 4); } (*a)[(*n)++] = v > 4000000000u ? 4000000000u : v; }
static int dial(conn *c) {
  int one = 1;
  if (!strncmp(target, "unix:", 5)) { struct sockaddr_un u = {.sun_family = AF_UNIX}; strncpy(u.sun_path, target + 5, sizeof u.sun_path - 1); c->fd = socket(AF_UNIX, SOCK_STREAM, 0); if (connect(c->fd, (void *)&u, sizeof u)) { close(c->fd); return -1; } }
  else { char h[256]; strncpy(h, target + 4, 255); char *p = strrchr(h, ':'); *p++ = 0; struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(p))}; inet_pton(AF_INET, h, &a.sin_addr); c->fd = socket(AF_INET, SOCK_STREAM, 0); if (connect(c->fd, (void *)&a, sizeof a)) { close(c->fd); return -1; } setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); }
  fcntl(c->fd, F_SETFL, O_NONBLOCK); connects++; c->live = 1; c->n = 0; c->on = c->ooff = 0; c->st = 0; c->want_out = 0; c->found = 0; c->scan = 0;
  c->nfree = inflight; for (int i = 0; i < inflight; i++) { c->freel[i] = i; c->s[i].live = 0; }
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e); return 0;
}
static void flush_out(conn *c) {
  while (c->ooff < c->on) { ssize_t r = send(c->fd, c->out + c->ooff, c->on - c->ooff, MSG_NOSIGNAL); if (r < 0) { if (errno == EAGAIN && !c->want_out) { struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); c->want_out = 1; } return; } c->ooff += r; }
  c->on = c->ooff = 0; if (c->want_out) { struct epoll_event e = {.events = EPOLLIN, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); c->want_out = 0; }
}
static void issue(conn *c, uint64_t t0) { // queue one request; caller flushes
  int id = c->freel[--c->nfree]; slot *s = &c->s[id]; s->t0 = t0; s->tfirst = 0; s->live = 1; s->events = 0; issued++;
  size_t need = req_n + 64; if (c->on + need > c->ocap) { c->ocap = (c->on + need) * 2; c->out = realloc(c->out, c->ocap); }
  char *o = c->out + c->on;
  if (proto == HTTP) { memcpy(o, req, req_n); c->on += req_n; }
  else if (proto == FRAME) { uint32_t l = htonl(req_n); memcpy(o, &l, 4); memcpy(o + 4, req, req_n); c->on += req_n + 4; }
  else if (proto == RPC) { uint32_t l = htonl(req_n + sizeof RPC_HEAD - 1), i = htonl(id); memcpy(o, &l, 4); memcpy(o + 4, RPC_HEAD, sizeof RPC_HEAD - 1); memcpy(o + 4 + RPC_ID_AT, &i, 4); memcpy(o + 4 + sizeof RPC_HEAD - 1, req, req_n); c->on += req_n + 4 + sizeof RPC_HEAD - 1; }
  else { uint32_t l = htonl(req_n + 5), i = htonl(id); memcpy(o, &l, 4); memcpy(o + 4, &i, 4); o[8] = 1; memcpy(o + 9, req, req_n); c->on += req_n + 9; }
}
static int can_issue(void) { return !stopping && !(maxreq && issued >= maxreq); }
static void finish(conn *c, int id, int ok) {
  slot *s = &c->s[id]; uint64_t t = now(); s->live = 0; done++; if (!ok) errs++;
  if (ok) { push(&lat, &nlat, &caplat, (t - s->t0) / 10); if (want_stream && s->tfirst) push(&ttf, &nttf, &capttf, (s->tfirst - s->t0) / 10); }
  c->freel[c->nfree++] = id;
  if (rate > 0) { if (idle_n == idle_cap) { idle_cap = idle_cap * 2 + 1024; idle_conn = realloc(idle_conn, idle_cap * sizeof(int)); } idle_conn[idle_n++] = c - cs; }
  else if (can_issue()) issue(c, t);
}
static void body_part(conn *c, const char *p, size_t n) {
  slot *s = &c->s[0]; if (n && !s->tfirst) s->tfirst = now();
  if (expect_n && !c->found && memmem(p, n, expect_s, expect_n)) c->found = 1;
  if (want_stream) { if (c->tail == '\n' && n && p[0] == '\n') sse++; const char *q = p, *e = p + n; while ((q = memmem(q, e - q, "\n\n", 2))) { sse++; q += 2; } if (n) c->tail = p[n - 1]; }
}
static void resp_end(conn *c) {
  int ok = c->status >= 200 && c->status < 300; if (c->status < 600) status_seen[c->status]++;
  if (!ok) non2xx++; else if (expect_n && !c->found) { badbody++; ok = 0; }
  c->st = 0; c->found = 0; c->tail = 0; finish(c, 0, ok);
}
static char *hdr(char *h, size_t n, const char *name) { size_t k = strlen(name); char *e = h + n; for (char *p = h; p && p < e; p = memchr(p, '\n', e - p)) { if (*p == '\n') p++; if (p + k + 1 < e && !strncasecmp(p, name, k) && p[k] == ':') { p += k + 1; while (*p == ' ') p++; return p; } } return 0; }
// consume what can be consumed. -1: drop the connection
static int http_feed(conn *c) {
  size_t pos = 0; int close_after = 0;
  for (;;) {
    char *p = c->in + pos; size_t n = c->n - pos;
    if (c->st == 0) { // head
      char *e = n ? memmem(p, n, "\r\n\r\n", 4) : 0; if (!e) break;
      size_t hl = e + 4 - p; c->status = n > 12 ? atoi(p + 9) : 0; char *te = hdr(p, hl, "transfer-encoding"), *cl = hdr(p, hl, "content-length"), *co = hdr(p, hl, "connection");
      if (co && !strncasecmp(co, "close", 5)) close_after = 1;
      pos += hl; if (c->status == 100) continue;
      c->chunked = te && !strncasecmp(te, "chunked", 7); c->left = cl ? atol(cl) : 0; if (!c->chunked && !cl) { c->left = 1L << 60; }
      c->st = c->chunked ? 2 : 1; if (c->st == 1 && !c->left) { resp_end(c); if (close_after) return -1; }
    } else if (c->st == 1) { // fixed body
      size_t k = n < (size_t)c->left ? n : (size_t)c->left; if (!k) break; body_part(c, p, k); pos += k; c->left -= k; if (!c->left) { resp_end(c); if (close_after) return -1; }
    } else if (c->st == 2) { // chunk size line
      char *nl = n ? memchr(p, '\n', n) : 0; if (!nl) break; c->left = strtol(p, 0, 16); pos += nl + 1 - p; c->st = c->left ? 3 : 5;
    } else if (c->st == 3) { size_t k = n < (size_t)c->left ? n : (size_t)c->left; if (!k) break; body_part(c, p, k); pos += k; c->left -= k; if (!c->left) c->st = 4;
    } else if (c->st == 4) { if (n < 2) break; pos += 2; c->st = 2;
    } else { char *nl = n ? memchr(p, '\n', n) : 0; if (!nl) break; size_t k = nl + 1 - p; pos += k; if (k <= 2) { resp_end(c); if (close_after) return -1; } }
  }
  memmove(c->in, c->in + pos, c->n - pos); c->n -= pos; return 0;
}
// which call a reply is for; -1 = it is none. The id comes early, as the smallest msgpack integer
static int rpc_reply(const char *p, size_t n, int *last, int *bad) {
  const unsigned char *k = memmem(p, n < 64 ? n : 64, "\xa2id", 3); if (!k || (size_t)((char *)k - p) + 8 > n) return -1;
  *last = !memmem(p, (char *)k - p, "\xa5""delta", 6); k += 3;
  int id = *k < 0x80 ? *k : *k == 0xcc ? k[1] : *k == 0xcd ? k[1] << 8 | k[2] : -1; k += *k < 0x80 ? 1 : *k == 0xcc ? 2 : 3;
  *bad = *last && memcmp(k, "\xa6result", 7) != 0; return id;
}
static int frame_feed(conn *c) {
  size_t pos = 0;
  while (c->n - pos >= 4) {
    uint32_t l; memcpy(&l, c->in + pos, 4); l = ntohl(l); if (l > (64u << 20)) return -1; if (c->n - pos - 4 < l) break; char *p = c->in + pos + 4; int id = 0, last = 1, bad = 0; size_t pl = l;
    if (proto == MUX) { uint32_t i; memcpy(&i, p, 4); id = ntohl(i); last = p[4] & 1; bad = p[4] & 2; p += 5; pl -= 5; }
    else if (proto == RPC) id = rpc_reply(p, pl, &last, &bad);
    if (id < 0 || id >= inflight || !c->s[id].live) return -1;
    slot *s = &c->s[id]; if (!s->tfirst) s->tfirst = now(); if (want_stream) sse++;
    if (expect_n && last && !want_stream && !memmem(p, pl, expect_s, expect_n)) { badbody++; bad = 1; }
    pos += 4 + l; if (last) finish(c, id, !bad);
  }
  memmove(c->in, c->in + pos, c->n - pos); c->n -= pos; return 0;
}
static int cmp(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return x < y ? -1 : x > y; }
static double pct(uint32_t *a, size_t n, double q) { if (!n) return 0; size_t i = (size_t)(q * (n - 1) + 0.5); return a[i] / 100.0; }
int main(int ac, char **av) {
  double secs = 5; char *bodyf = 0, *path = "/v1/chat/completions"; char heads[8192] = ""; signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < ac; i++) { char *k = av[i];
    if (!strcmp(k, "--stream")) { want_stream = 1; continue; }
    if (i + 1 >= ac) { fprintf(stderr, "?%s\n", k); return 2; } char *v = av[++i];
    if (!strcmp(k, "--target")) strncpy(target, v, 511); else if (!strcmp(k, "--proto")) proto = !strcmp(v, "http") ? HTTP : !strcmp(v, "frame") ? FRAME : !strcmp(v, "rpc") ? RPC : MUX; else if (!strcmp(k, "--body")) bodyf = v; else if (!strcmp(k, "--path")) path = v;
    else if (!strcmp(k, "--header")) { strcat(heads, v); strcat(heads, "\r\n"); } else if (!strcmp(k, "--conns")) nconns = atoi(v); else if (!strcmp(k, "--inflight")) inflight = atoi(v); else if (!strcmp(k, "--secs")) secs = atof(v); else if (!strcmp(k, "--max")) maxreq = atoll(v);
    else if (!strcmp(k, "--rate")) rate = atof(v); else if (!strcmp(k, "--expect")) { expect_s = v; expect_n = strlen(v); } else { fprintf(stderr, "unknown %s\n", k); return 2; } }
  if (proto != MUX && proto != RPC) inflight = 1;
  FILE *f = fopen(bodyf, "rb"); if (!f) { perror("body"); return 2; } static char body[1 << 20]; size_t bn = fread(body, 1, sizeof body, f); fclose(f);
  req = malloc(bn + 16384); if (proto == HTTP) { req_n = sprintf(req, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", path, heads, bn); } memcpy(req + req_n, body, bn); req_n += bn;
  ep = epoll_create1(0); cs = calloc(nconns, sizeof *cs);
  for (int i = 0; i < nconns; i++) { cs[i].s = calloc(inflight, sizeof(slot)); cs[i].freel = calloc(inflight, sizeof(int)); cs[i].cap = 65536; cs[i].in = malloc(65536); if (dial(&cs[i])) { printf("{\"error\":\"connect: %s\"}\n", strerror(errno)); return 1; } }
  t_start = now(); t_end = t_start + (uint64_t)(secs * 1e9); uint64_t sched = 0; static struct epoll_event ev[512];
  if (rate > 0) { for (int i = nconns - 1; i >= 0; i--) for (int j = 0; j < inflight; j++) { if (idle_n == idle_cap) { idle_cap = idle_cap * 2 + 1024; idle_conn = realloc(idle_conn, idle_cap * sizeof(int)); } idle_conn[idle_n++] = i; } }
  else for (int i = 0; i < nconns; i++) { for (int j = 0; j < inflight && can_issue(); j++) issue(&cs[i], now()); flush_out(&cs[i]); }
  uint64_t grace = t_end + 3000000000ull, last_done = 0; uint64_t t_stop = 0; uint64_t done_at_stop = 0;
  for (;;) {
    uint64_t t = now(); if (t >= t_end && !stopping) { stopping = 1; t_stop = t; done_at_stop = done; }
    if (maxreq && done >= maxreq && !stopping) { stopping = 1; t_stop = t; done_at_stop = done; }
    if (stopping && (done >= issued || t >= grace)) break;
    struct timespec to = {0, 100000000};
    if (rate > 0 && !stopping) {
      for (;;) { uint64_t due = t_start + (uint64_t)(sched * 1e9 / rate); if (due > t) { uint64_t d = due - t; if (d < 100000000ull) to.tv_nsec = d; break; } if (!idle_n || !can_issue()) break; conn *c = &cs[idle_conn[--idle_n]]; if (!c->live || !c->nfree) continue; issue(c, due); flush_out(c); sched++; }
    }
    int k = epoll_pwait2(ep, ev, 512, &to, 0);
    for (int i = 0; i < k; i++) {
      conn *c = ev[i].data.ptr; if (!c->live) continue; int r = 0;
      if (ev[i].events & EPOLLOUT) flush_out(c);
      if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (c->cap - c->n < 32768) { c->cap *= 2; c->in = realloc(c->in, c->cap); }
        ssize_t m = recv(c->fd, c->in + c->n, c->cap - c->n, 0);
        if (m > 0) { c->n += m; r = proto == HTTP ? http_feed(c) : frame_feed(c); if (!r && c->on) flush_out(c); }
        else if (m == 0 || errno != EAGAIN) r = -1;
      }
      if (r < 0) { // the peer closed: what was in flight failed (a request queued by finish() on a closing conn is re-sent, not failed)
        int close_ok = c->st == 0 && c->n == 0; int pending = 0; for (int j = 0; j < inflight; j++) if (c->s[j].live) { if (close_ok && proto == HTTP && c->on) { pending++; } else { errs++; done++; } c->s[j].live = 0; }
        issued -= pending; close(c->fd); c->live = 0; if (!stopping) { if (dial(c) == 0) { if (rate <= 0) { for (int j = 0; j < inflight && can_issue(); j++) issue(c, now()); flush_out(c); } else for (int j = 0; j < inflight; j++) { if (idle_n == idle_cap) { idle_cap = idle_cap * 2 + 1024; idle_conn = realloc(idle_conn, idle_cap * sizeof(int)); } idle_conn[idle_n++] = c - cs; } } else if (++last_done > 1000) { stopping = 1; t_stop = now(); done_at_stop = done; } }
      }
    }
  }
  if (!t_stop) { t_stop = now(); done_at_stop = done; }
  double el = (t_stop - t_start) / 1e9; struct rusage ru; getrusage(RUSAGE_SELF, &ru); double cpu = ru.ru_utime.tv_sec + ru.ru_stime.tv_sec + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
  qsort(lat, nlat, 4, cmp); qsort(ttf, nttf, 4, cmp); double sum = 0; for (size_t i = 0; i < nlat; i++) sum += lat[i];
  printf("{\"proto\":\"%s\",\"conns\":%d,\"inflight\":%d,\"secs\":%.3f,\"requests\":%lu,\"ok\":%zu,\"errors\":%lu,\"non2xx\":%lu,\"badbody\":%lu,\"connects\":%lu,\"rps\":%.1f,\"lat_us\":{\"mean\":%.1f,\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", proto == HTTP ? "http" : proto == FRAME ? "frame" : proto == RPC ? "rpc" : "mux", nconns, inflight, el, done, nlat, errs, non2xx, badbody, connects, done_at_stop / el, nlat ? sum / nlat / 100 : 0, pct(lat, nlat, 0), pct(lat, nlat, .5), pct(lat, nlat, .9), pct(lat, nlat, .99), pct(lat, nlat, .999), pct(lat, nlat, 1));
  if (want_stream) printf(",\"events\":%lu,\"events_per_s\":%.0f,\"ttfc_us\":{\"p50\":%.1f,\"p99\":%.1f}", sse, sse / el, pct(ttf, nttf, .5), pct(ttf, nttf, .99));
  int first = 1; for (int i = 0; i < 600; i++) if (status_seen[i]) { printf("%s\"%d\":%d", first ? ",\"status\":{" : ",", i, status_seen[i]); first = 0; } if (!first) printf("}");
  printf(",\"gen_cpu_s\":%.3f}\n", cpu); return 0;
}
