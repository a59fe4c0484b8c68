"""The commented example that ``gitbridge config example`` prints.

A line ``#key = value`` is a setting to uncomment, shown with its default where it has one;
``# words`` explain. A test loads it with every setting uncommented.
"""

EXAMPLE = """\
# GitBridge SmartRouter: an example of everything that can be configured.
# Every key is optional: uncomment what you change. Unknown keys are errors.
# Check it with: gitbridge config check --config gitbridge.toml
# API keys are never in this file: they come from the environment (OPENAI_API_KEY,
# XAI_API_KEY or GROK_API_KEY, ANTHROPIC_API_KEY), .env, or systemd credentials.

[server]
# The Unix socket; by default in /run/gitbridge, $XDG_RUNTIME_DIR/gitbridge or the state
# folder, whichever can be written first.
#socket = "/run/gitbridge/gitbridge.sock"
#socket_mode = "0660"
# Also over TCP; wants a token (see [access]). Off by default.
#listen = "127.0.0.1:4180"
# Seconds to finish what is in flight after SIGTERM.
#drain_s = 30
# Requests worked on at once, and how many more may wait for a place.
#max_requests = 1024
#max_waiting = 1024
# What other daemons on the same Redis call this one; by default the host's name.
#name = "router-1"

[access]
# On the socket, by who is on the other side. Root and the daemon's own user are admins.
#admin_users = ["alice"]
#admin_groups = ["wheel"]
#user_groups = ["gitbridge-users"]
# Loopback TCP without a token: every program of every user on this machine.
#open_loopback = false
# sha256 of the token, lower-case hex: printf %s TOKEN | sha256sum
#tokens = [{ name = "ci", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", tier = "user", budget_usd_per_day = 5 }]

[routing]
# cost, performance, availability, hybrid, round_robin or priority.
#strategy = "hybrid"
# Of the hybrid strategy; only their proportions count.
#weights = { cost = 0.4, performance = 0.3, availability = 0.3 }
# Consecutive failures that open a breaker.
#failure_threshold = 3
# Requests in the rolling window.
#metrics_window = 100
# Upstream calls of one request, the first included.
#max_attempts = 4
# Seconds a request may take when it does not say.
#deadline_s = 600
# Share of requests that may have a second call beside a slow first one; 0 is off.
#hedge = 0.05
# Leave a stream whose first token takes twice the model's usual longest, if another
# provider stands ready.
#adaptive_first_token = true
# Have providers stream to us even when the caller wants the answer whole: dead ones are
# noticed by their first token.
#stream_upstream = false
# "passthrough" sends content as it comes, "buffered" when it is whole, "resume" as it
# comes and goes on with a stream that breaks.
#stream_mode = "passthrough"
# Whether another provider may answer what one's content filter refused.
#content_filter_fallback = false

# Who is eligible for a task type; the strategy ranks them. These two are the defaults.
[routing.tasks.code_review]
#providers = ["claude", "grok"]
#strategy = "performance"
#max_tokens = 2000
[routing.tasks.documentation]
#providers = ["openai", "claude"]

[health]
#interval_s = 60
# "models" costs nothing, "completion" asks for one token, "none" is off.
#probe = "models"
# Slower than this is not healthy for 'gitbridge health'.
#max_latency_s = 2.0

[retry]
# Repeats on the same provider.
#max_retries = 3
#base_delay_s = 1.0
#max_delay_s = 30
# With the priority strategy: repeats of one candidate before the next.
#same_first = "auto"
# A Retry-After up to this is waited for.
#wait_retry_after_s = 5
# Repeats as a share of all requests, over the whole daemon, and at least so many a second.
#budget_ratio = 0.1
#budget_min_per_s = 1.0

[breaker]
#open_s = 5
#open_max_s = 15
#failure_ratio = 0.4
#slow_ratio = 0.6
#min_calls = 10

# Without any [providers.NAME] those built in are on whose key is found: openai, grok and
# claude. With at least one, only those listed are on.
[providers.openai]
#kind = "openai"
#base_url = "https://api.openai.com/v1"
#model = "gpt-4o"
#models = ["gpt-4o", "gpt-4o-mini"]
#temperature = 0.3
#max_tokens = 4000
# A file with the key and nothing else, readable by the daemon only.
#api_key_file = "/etc/gitbridge/keys/openai"
# How it goes on with a stream that broke: auto, prefix, restart or off.
#resume = "auto"
#timeouts = { connect_s = 5, first_token_s = 60, idle_s = 60, total_s = 600 }
#context_window = 128000
# US dollars per million tokens, in place of the price table.
#price = { input = 2.5, cached_input = 1.25, output = 10 }
#limits = { concurrency = 50, requests_per_minute = 500, tokens_per_minute = 200000 }
# Its share in round_robin.
#weight = 1
#tags = ["fast"]
#enabled = true

[providers.grok]
#kind = "xai"
#base_url = "https://api.x.ai/v1"
#model = "grok-3-mini"
#temperature = 0.4
#reasoning_effort = "high"
#max_tokens = 4000

[providers.claude]
#kind = "anthropic"
#base_url = "https://api.anthropic.com/v1"
#model = "claude-sonnet-5-5"
#max_tokens = 4000

# Any server that speaks OpenAI's chat API. Plain http only for loopback, or allow_http.
#[providers.local]
#kind = "compatible"
#base_url = "http://127.0.0.1:11434/v1"
#model = "llama3.3"
#allow_http = false
#price = { input = 0, output = 0, cache_write = 0 }

# A server of your own that says itself which models it has, and may start later.
#[providers.workshop]
#preset = "ollama"
#discover = true

# Servers known by name need no base_url: groq, mistral, deepseek, openrouter, together,
# perplexity, cerebras, huggingface, zai, vercel, gemini, azure, ollama, vllm, llamacpp.
#[providers.groq]
#preset = "groq"
#model = "llama-3.3-70b-versatile"

# Azure: with an api_version the model is a deployment in the URL.
#[providers.azure]
#preset = "azure"
#base_url = "https://my-resource.openai.azure.com"
#api_version = "2024-10-21"
#model = "my-deployment"

[models]
# A name of your own for candidates that the strategy ranks.
#fast = ["grok/grok-3-mini", "openai/gpt-4o-mini"]
# Or in this order, with its own settings.
#[models.review]
#candidates = ["claude", "openai/gpt-4o"]
#strategy = "priority"
#stream_mode = "buffered"
#timeouts = { connect_s = 2, first_token_s = 20, idle_s = 20, total_s = 120 }
#max_tokens = 2000

[consensus]
# auto, majority, weighted, calibrated, cascade, quorum, judge, synthesis or best_of.
#method = "auto"
# Who is asked: providers or provider/model names; by default everybody who is well.
#members = ["openai", "grok", "claude"]
# How many must have answered.
#quorum = 2
# Who judges between free texts, or writes the synthesis; by default nobody judges.
#judge = "claude"
# Seconds for all of a round.
#deadline_s = 120
# How often each member is right, in [0, 1], as far as you know.
#priors = { openai = 0.8, grok = 0.7, claude = 0.85 }
# Whether somebody else is asked in place of a member that failed; by default unless
# members are named, here or in a request.
#replace = true
# A model by which texts are compared that no other rule puts together, and the least
# cosine of two that are one answer, which you have to measure: see docs/consensus.md.
#embeddings = "text-embedding-3-small"
#embeddings_threshold = 0.9

[cache]
# Whether an answer is given again to who asks the same; see docs/cache.md.
#enabled = true
#ttl_s = 3600
# In memory, of answers and their keys together.
#max_bytes = 33554432
# To every user, not only to the one who asked first.
#shared = false

[budgets]
# US dollars a UTC day, of the daemon and of each user; by default nothing is limited.
#usd_per_day = 50
#per_user_usd_per_day = 10

[ledger]
# "full" also survives a power cut.
#sync = "normal"
# Older requests are deleted; by default everything is kept.
#retention_days = 365

[queue]
# The Redis that several daemons share; its password is better in the environment
# (GITBRIDGE_REDIS_PASSWORD) or the credential redis_password.
#url = "redis://redis.example:6379"
# Where tasks are kept: "sqlite" in tasks.db in the state folder, "redis" in that Redis,
# where all daemons work on them.
#backend = "sqlite"
# A task whose worker crashed is resumed after so many seconds.
#lease_s = 30
# How often a task is tried before it is dead.
#max_attempts = 5
# Tasks at once.
#concurrency = 8
# Seconds for which results and errors are kept.
#keep_s = 604800
# How many replicas of the Redis must have a task before it is said to be kept.
#replicas = 0
# A type of task: how many at once, and what its answers must be.
#[queue.types.triage]
#concurrency = 2
#pattern = "severity"
#required = ["severity", "summary"]

[threads]
# What is kept of consensus, tasks, events and named threads: "texts", "facts" (all but
# the texts) or "nothing".
#keep = "texts"
# Older entries are deleted.
#retention_days = 30
# Bytes of each text that are kept.
#max_bytes = 65536

[events]
# A folder whose *.json files are events; each goes to done or failed in there.
#folder = "/var/lib/gitbridge/events"
# Guess what an issue or comment wants where no rule fits.
#classify = false

[events.github]
# Whose webhooks are taken; the secret is a credential. Empty takes everybody's.
#repositories = ["acme/shop"]
# The first rule that fits decides; without any the built-in ones hold.
#rules = [{ events = ["pull_request.*"], task_type = "code_review", providers = ["claude", "openai"], consensus = "majority", actions = [{ do = "post_comment" }] }]

[actions]
#github_url = "https://api.github.com"
#folders = { reviews = "/var/lib/gitbridge/reviews" }
#commands = { notify = { argv = ["/usr/local/bin/notify", "--stdin"], env = { LANG = "C.UTF-8" }, cwd = "/", timeout_s = 60 } }

[log]
# debug, info, warning, error or critical.
#level = "info"
# "json" or "console".
#format = "json"
# Prompt texts in the log: not supported yet.
#prompts = false
"""
