//! What a SUBSCRIBE asks for.

use colibri_codec::{
    EncodeError, OwnedTopicFilter, QoS, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
};

use crate::{OwnedProperties, RequestError};

/// One SUBSCRIBE: one filter or more with their options.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeRequest {
    pub(crate) filters: Vec<(OwnedTopicFilter, SubscriptionOptions)>,
    pub(crate) properties: OwnedProperties,
}

impl SubscribeRequest {
    /// One filter at a QoS, with the other options as they usually are.
    pub fn new(filter: TopicFilter<'_>, qos: QoS) -> Self {
        Self::with_options(filter, SubscriptionOptions { qos, ..SubscriptionOptions::default() })
    }

    /// One filter with its options.
    pub fn with_options(filter: TopicFilter<'_>, options: SubscriptionOptions) -> Self {
        Self { filters: vec![(filter.into(), options)], properties: OwnedProperties::new() }
    }

    /// One more filter in the same packet.
    #[must_use]
    pub fn and(mut self, filter: TopicFilter<'_>, options: SubscriptionOptions) -> Self {
        self.filters.push((filter.into(), options));
        self
    }

    /// Subscription Identifier and User Properties.
    #[must_use]
    pub fn properties(mut self, properties: OwnedProperties) -> Self {
        self.properties = properties;
        self
    }

    /// What the packet holds.
    pub(crate) fn subscriptions(&self) -> Vec<Subscription<'_>> {
        self.filters
            .iter()
            .map(|(filter, options)| Subscription { filter: filter.filter(), options: *options })
            .collect()
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        self.properties
            .checked(Subscribe::PROPERTIES)
            .map(drop)
            .map_err(|malformed| RequestError::Invalid(EncodeError::from(malformed)))
    }
}
