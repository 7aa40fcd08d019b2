//! The formats that exist.

use crate::format::spec::FormatSpec;
use crate::format::{caddy, canonical, cloudflare, cloudfront, traefik};

/// Every format, the canonical one first.
pub static FORMATS: [&FormatSpec; 5] =
    [&canonical::FORMAT, &caddy::FORMAT, &cloudflare::FORMAT, &cloudfront::FORMAT, &traefik::FORMAT];
