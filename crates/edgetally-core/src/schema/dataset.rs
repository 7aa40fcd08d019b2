//! Datasets: what the API shows, by what it is counted.

/// What is counted by service, by domain, and by origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// Requests and fetches of the service.
    Channel,
    /// Requests by domain.
    Domains,
    /// Responses of origins by name and address.
    OriginInsights,
    /// Responses of origins by name.
    Origins,
}

impl Dataset {
    /// Every dataset, in alphabetical order.
    pub const ALL: [Self; 4] = [Self::Channel, Self::Domains, Self::OriginInsights, Self::Origins];

    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Domains => "domains",
            Self::OriginInsights => "origin_insights",
            Self::Origins => "origins",
        }
    }

    /// The dataset with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }
}
