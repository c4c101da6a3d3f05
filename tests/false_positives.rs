//! Quiet when right: no finding at warning or above on the configurations that people are told to write.

use std::path::PathBuf;

use shakedown::diagnostic::Severity;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::source::Memory;
use shakedown_testing::{NOW, recipe};

/// Holds a configuration, whose main file is the first, against all rules, with certificates of a public authority beside it.
fn check(files: &[(&str, &str)], platform: &str) {
    let mut memory = Memory::new();
    let pem = |recipes: &[&str]| recipe::file(recipes.iter().copied());
    let leaf = "leaf example.com,www.example.com logged=-10";
    memory.insert("/srv/root.crt", pem(&["root"]));
    memory.insert("/srv/tls/fullchain.pem", pem(&[leaf, "intermediate"]));
    memory.insert("/srv/tls/cert.pem", pem(&[leaf]));
    memory.insert("/srv/tls/chain.pem", pem(&["intermediate"]));
    memory.insert("/srv/tls/privkey.pem", pem(&["key ec1"]));
    memory.insert("/srv/tls/dhparam.pem", pem(&["dh 2048"]));
    for (path, text) in files {
        memory.insert(*path, text.as_bytes().to_vec());
    }
    let options = Options {
        platform: Some(platform.to_owned()),
        now: NOW,
        trust: vec![TrustSource::File("/srv/root.crt".into())],
        trust_is_public: true,
        ..Options::default()
    };
    let run = pipeline::lint(&memory, &[PathBuf::from(files[0].0)], &options).expect("a configuration can be run");
    let loud = run.findings.iter().filter(|finding| finding.severity > Severity::Info);
    let told: Vec<String> = loud.map(|one| format!("{}[{}] {}", one.severity, one.rule, one.message)).collect();
    assert!(told.is_empty(), "{} on {platform}: {told:#?}", files[0].0);
    let names_one = files.iter().any(|(_, text)| text.contains("fullchain.pem"));
    assert_eq!(run.counts.certificates > 0, names_one, "{}: a certificate is looked at", files[0].0);
}

fn nginx(tls: &str) -> String {
    format!(
        "events {{}}
http {{
    server {{
        listen 80 default_server;
        listen [::]:80 default_server;
        server_name example.com www.example.com;
        return 301 https://$host$request_uri;
    }}
    server {{
        listen 443 ssl http2;
        listen [::]:443 ssl http2;
        server_name example.com www.example.com;
        ssl_certificate tls/fullchain.pem;
        ssl_certificate_key tls/privkey.pem;
        ssl_session_timeout 1d;
        ssl_session_cache shared:MozSSL:10m;
        {tls}
        add_header Strict-Transport-Security \"max-age=63072000\" always;
    }}
}}
"
    )
}

const INTERMEDIATE: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                            ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                            DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

#[test]
fn nginx_as_mozilla_recommends_it() {
    let intermediate = format!(
        "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {INTERMEDIATE}; ssl_prefer_server_ciphers off; ssl_dhparam tls/dhparam.pem;"
    );
    check(&[("/srv/nginx.conf", &nginx(&intermediate))], "debian-12");
    check(&[("/srv/nginx.conf", &nginx("ssl_protocols TLSv1.3; ssl_prefer_server_ciphers off;"))], "debian-12");
    check(&[("/srv/nginx.conf", &nginx(&intermediate).replace(" http2;", ";"))], "debian-13");
}

fn apache(tls: &str) -> String {
    format!(
        "ServerRoot /srv
ServerName localhost
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 80
Listen 443
SSLSessionCache shmcb:/var/run/ssl(512000)
{tls}
<VirtualHost *:80>
    ServerName example.com
    ServerAlias www.example.com
    RewriteEngine On
    RewriteRule ^(.*)$ https://%{{HTTP_HOST}}$1 [R=301,L]
</VirtualHost>
<VirtualHost *:443>
    ServerName example.com
    ServerAlias www.example.com
    SSLEngine on
    SSLCertificateFile tls/fullchain.pem
    SSLCertificateKeyFile tls/privkey.pem
    Protocols h2 http/1.1
    Header always set Strict-Transport-Security \"max-age=63072000\"
</VirtualHost>
"
    )
}

#[test]
fn apache_as_mozilla_recommends_it() {
    let old = "SSLHonorCipherOrder off\nSSLSessionTickets off";
    let intermediate = format!("SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCipherSuite {INTERMEDIATE}\n{old}");
    check(&[("/srv/apache2.conf", &apache(&intermediate))], "debian-12");
    check(&[("/srv/apache2.conf", &apache(&format!("SSLProtocol -all +TLSv1.3\n{old}")))], "debian-12");
    check(&[("/srv/apache2.conf", &apache(&intermediate))], "debian-13");
}

#[test]
fn caddy_as_mozilla_recommends_it_and_by_itself() {
    let site = |tls: &str| {
        format!(
            "example.com, www.example.com {{\n\ttls tls/fullchain.pem tls/privkey.pem {{\n\t\t{tls}\n\t}}\n\
             \theader Strict-Transport-Security max-age=63072000\n\tfile_server\n}}\n"
        )
    };
    let ciphers = "ciphers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 \
                   TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    for platform in ["debian-12", "debian-sid"] {
        check(&[("/srv/Caddyfile", &site(ciphers))], platform);
        check(&[("/srv/Caddyfile", &site("protocols tls1.3"))], platform);
        check(&[("/srv/Caddyfile", "example.com, www.example.com {\n\treverse_proxy 127.0.0.1:8080\n}\n")], platform);
    }
}

/// What certbot's plug-in for nginx leaves behind: settings in a file of its own, names that are no site answered by 404.
#[test]
fn what_certbot_keeps() {
    let main = "user www-data;
events {}
http {
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    include sites-enabled/*;
}
";
    let site = "server {
    root /var/www/html;
    server_name example.com www.example.com;
    listen [::]:443 ssl ipv6only=on;
    listen 443 ssl;
    ssl_certificate /srv/tls/fullchain.pem;
    ssl_certificate_key /srv/tls/privkey.pem;
    include /srv/tls/options-ssl-nginx.conf;
    ssl_dhparam /srv/tls/dhparam.pem;
}
server {
    if ($host = www.example.com) {
        return 301 https://$host$request_uri;
    }
    if ($host = example.com) {
        return 301 https://$host$request_uri;
    }
    listen 80;
    listen [::]:80;
    server_name example.com www.example.com;
    return 404;
}
";
    let tls = format!(
        "ssl_session_cache shared:le_nginx_SSL:10m;
ssl_session_timeout 1440m;
ssl_session_tickets off;
ssl_protocols TLSv1.2 TLSv1.3;
ssl_prefer_server_ciphers off;
ssl_ciphers \"{INTERMEDIATE}\";
"
    );
    let files =
        [("/srv/nginx.conf", main), ("/srv/sites-enabled/default", site), ("/srv/tls/options-ssl-nginx.conf", &tls)];
    check(&files, "debian-12");
}
